// How what is no template is defined in headers that a .cu file compiles.
//
// Programs declare these functions by the .hpp files, compile the .cuh files in one .cu file or in several, and link:
// they must be emitted where they are defined even though nothing there calls them, and may be defined in many files.
#pragma once

#define DVD_CUDA_DEFINITION [[gnu::used]] inline
