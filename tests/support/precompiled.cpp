// There to compile support/precompiled.hpp with.
