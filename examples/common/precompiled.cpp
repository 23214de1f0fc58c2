// Has precompiled.hpp made ready for the sources of the programs.
