// What most sources of the programs include, read by the compiler once. Each includes what it needs all the same.
#pragma once

#include <dvd/dvdgan.hpp>
#include <dvd/io/run_folder.hpp>
#include <dvd/training/checkpoint.hpp>
#ifdef DVD_WITH_CUDA
#include <dvd/device/cuda.hpp>
#endif
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>
