"""dvd for Conan 2: headers, with a target for each component as dvd's own package for CMake has it.

    conan create packaging/conan                      # libraries from Conan Center
    conan create packaging/conan -o "dvd/*:system=True"    # those that the system has
"""

import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.layout import basic_layout
from conan.tools.system.package_manager import Apt

required_conan_version = ">=2.0.9"


class DvdConan(ConanFile):
    name = "dvd"
    description = "Video-GAN components: the complete DVD-GAN"
    license = "Apache-2.0"
    topics = ("gan", "video", "dvd-gan", "deep-learning", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "checkpoint": [True, False],  # dvd::checkpoint, by nlohmann_json
        "video": [True, False],  # dvd::video, by FFmpeg
        "convert": [True, False],  # dvd::convert, by nlohmann_json, libzip and Snappy
        "mpi": [True, False],  # dvd::mpi, by Open MPI
        "system": [True, False],  # whether libraries are the system's, found by dvd's own modules for CMake
    }
    default_options = {"checkpoint": True, "video": False, "convert": False, "mpi": False, "system": False}
    no_copy_source = True

    # By component, "" being dvd::dvd: packages of Conan Center, the parts of them that are used, Debian's packages, and
    # the targets of the system's.
    _needs = {
        "": (
            ["eigen/3.4.0", "onetbb/[>=2021.10 <2023]", "stb/cci.20230920"],
            ["eigen::eigen", "onetbb::onetbb", "stb::stb"],
            ["libeigen3-dev", "libtbb-dev", "libstb-dev"],
        ),
        "checkpoint": (
            ["nlohmann_json/[>=3.9 <4]"],
            ["nlohmann_json::nlohmann_json"],
            ["nlohmann-json3-dev"],
        ),
        "video": (
            ["ffmpeg/[>=4.4 <8]"],
            ["ffmpeg::avformat", "ffmpeg::avfilter", "ffmpeg::avcodec", "ffmpeg::swscale", "ffmpeg::avutil"],
            ["libavformat-dev", "libavfilter-dev", "libavcodec-dev", "libswscale-dev", "libavutil-dev"],
        ),
        "convert": (
            ["nlohmann_json/[>=3.9 <4]", "libzip/[>=1.7 <2]", "snappy/[>=1.1.9 <2]"],
            ["nlohmann_json::nlohmann_json", "libzip::libzip", "snappy::snappy"],
            ["nlohmann-json3-dev", "libzip-dev", "libsnappy-dev"],
        ),
        "mpi": (["openmpi/[>=4.1 <6]"], ["openmpi::openmpi"], ["libopenmpi-dev", "openmpi-bin"]),
    }

    @property
    def _root(self):
        return os.path.join(self.recipe_folder, os.pardir, os.pardir)

    def _components(self):
        return [name for name in self._needs if not name or self.options.get_safe(name)]

    def set_version(self):
        header = load(self, os.path.join(self._root, "include", "dvd", "version.hpp"))
        self.version = re.search(r'constexpr char version\[\] = "([0-9.]+)"', header).group(1)

    def export_sources(self):
        for pattern in ("LICENSE", "include/*", "cmake/*.cmake", "weights/*.safetensors"):
            copy(self, pattern, src=self._root, dst=self.export_sources_folder)
        copy(self, "*.cmake", src=self.recipe_folder, dst=os.path.join(self.export_sources_folder, "cmake"))

    def layout(self):
        basic_layout(self)

    def requirements(self):
        if self.options.system:
            return
        packages = [package for name in self._components() for package in self._needs[name][0]]
        for package in dict.fromkeys(packages):
            self.requires(package, transitive_headers=True, transitive_libs=True)

    def system_requirements(self):
        if self.options.system:
            packages = [package for name in self._components() for package in self._needs[name][2]]
            Apt(self).install(list(dict.fromkeys(packages)))

    def validate(self):
        if self.settings.get_safe("compiler.cppstd"):
            check_min_cppstd(self, 20)
        if self.settings.os == "Windows":
            raise ConanInvalidConfiguration("dvd is made for Linux")

    def package_id(self):
        self.info.clear()  # the files are the same whatever is used of them

    def package(self):
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        for pattern in ("*.hpp", "*.cuh", "*.cpp"):
            copy(
                self,
                pattern,
                src=os.path.join(self.source_folder, "include"),
                dst=os.path.join(self.package_folder, "include"),
            )
        share = os.path.join(self.package_folder, "share", "dvd")
        copy(self, "*.safetensors", src=os.path.join(self.source_folder, "weights"), dst=os.path.join(share, "weights"))
        for name in (
            "dvd-conan-targets",
            "dvd-conan-system",
            "dvd-compiled-targets",
            "dvd-shapes_weights-targets",
            "dvd-dependencies",
            "FindStb",
            "FindFFmpeg",
            "FindLibZip",
        ):
            copy(self, f"{name}.cmake", src=os.path.join(self.source_folder, "cmake"), dst=os.path.join(share, "cmake"))

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_file_name", "dvd")
        self.cpp_info.set_property("cmake_target_name", "dvd::everything")
        # Below 1.0 any minor version may break what used the one before.
        self.cpp_info.set_property("cmake_config_version_compat", "SameMinorVersion")
        # dvd::compiled and dvd::shapes_weights, which each project compiles for itself, and what the system brings.
        modules = ["dvd-conan-targets.cmake"] + (["dvd-conan-system.cmake"] if self.options.system else [])
        self.cpp_info.set_property(
            "cmake_build_modules", [os.path.join("share", "dvd", "cmake", name) for name in modules]
        )
        for name in self._components():
            component = self.cpp_info.components[name or "dvd"]
            component.set_property("cmake_target_name", f"dvd::{name or 'dvd'}")
            component.bindirs = []
            component.libdirs = []
            if name:
                component.requires = ["dvd"]
                component.defines = [f"DVD_WITH_{name.upper()}"]
            if not self.options.system:
                component.requires = component.requires + self._needs[name][1]
