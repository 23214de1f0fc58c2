// What most tests include, read by the compiler once. Each includes what it needs all the same.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dvd/dvdgan.hpp"
#include "support/double_kernels.hpp"
#include "support/gradient_check.hpp"
