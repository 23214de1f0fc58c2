// What lies in a folder and in the folders inside it: videos, by name.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/data/file_names.hpp"
#include "dvd/data/numbered_pictures.hpp"
#include "dvd/data/text_lines.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

struct FoundVideo {
  std::string name;                   // within the folder that was searched, with '/'; "." for itself
  std::vector<std::string> pictures;  // not empty: the names of those in the folder of that name, in order
};

struct FolderScan {
  std::vector<FoundVideo> videos;            // in order of name
  std::vector<std::string> without_videos;   // folders directly in the one searched that hold none
  std::map<std::string, std::int64_t> rest;  // what is no video by its name: how many files of each extension
  std::vector<std::string> remarks;
};

// Searches a folder, at any depth and through links; one that leads back to where it is reached from is left out.
class FolderScanner {
 public:
  // Throws FileError where the folder itself cannot be read.
  static FolderScan scan(const std::filesystem::path& folder) {
    FolderScanner scanner(folder);
    scanner.visit(folder, "");
    scanner.make_remarks();
    FolderScan& result = scanner.result_;
    std::ranges::sort(result.videos, {}, &FoundVideo::name);
    return std::move(result);
  }

 private:
  struct Folder {
    std::string name;
    bool link;
  };
  struct Entries {
    std::vector<Folder> folders;
    std::vector<std::string> videos, pictures;
  };

  explicit FolderScanner(std::filesystem::path folder) : folder_(std::move(folder)) {}

  static std::string joined(const std::string& folder, const std::string& name) {
    return folder.empty() ? name : folder + "/" + name;
  }

  // How many video files were found in it.
  std::size_t visit(const std::filesystem::path& folder, const std::string& name) {
    const Entries entries = read(folder, name);
    std::size_t files = entries.videos.size();
    for (const std::string& video : entries.videos) result_.videos.push_back({joined(name, video), {}});
    for (const Folder& inner : entries.folders) {
      if (name.empty()) entered_.clear();  // two classes may be links to one folder
      const std::size_t before = result_.videos.size();
      files += visit_inner(folder, name, inner);
      if (name.empty() && result_.videos.size() == before) result_.without_videos.push_back(inner.name);
    }
    // Pictures beside videos, and above them, are previews of these.
    if (files == 0) add_pictures(name, entries.pictures);
    return files;
  }

  std::size_t visit_inner(const std::filesystem::path& folder, const std::string& name, const Folder& inner) {
    if (!inner.link) return visit(folder / inner.name, joined(name, inner.name));
    std::error_code error;
    const std::string here = std::filesystem::canonical(folder, error).string();
    const std::string target = std::filesystem::canonical(folder / inner.name, error).string();
    crossings_.push_back(here);
    std::size_t files = 0;
    const bool leads_back = std::ranges::any_of(
        crossings_, [&](const std::string& from) { return (from + "/").starts_with(target + "/"); });
    if (leads_back || target.empty())
      links_back_.add(joined(name, inner.name));
    else if (entered_.insert(target).second)
      files = visit(folder / inner.name, joined(name, inner.name));
    crossings_.pop_back();
    return files;
  }

  Entries read(const std::filesystem::path& folder, const std::string& name) {
    Entries entries;
    std::error_code error;
    for (std::filesystem::directory_iterator i(folder, error), end; !error && i != end; i.increment(error)) {
      std::string entry = i->path().filename().string();
      if (is_junk(entry)) continue;
      std::error_code unknown;
      if (i->is_directory(unknown))
        entries.folders.push_back({std::move(entry), i->is_symlink(unknown)});
      else if (i->is_regular_file(unknown))
        add_file(entries, std::move(entry));
      else if (i->is_symlink(unknown))
        broken_links_.add(joined(name, entry));
    }
    if (error && name.empty())
      throw FileError(concat(folder.string(), ": cannot be read (", error.message(), "); expected a folder of videos"));
    if (error) unreadable_.add(concat(name, ", ", error.message()));
    std::ranges::sort(entries.folders, {}, &Folder::name);
    return entries;
  }

  void add_file(Entries& entries, std::string name) {
    const FileKind kind = kind_of_file(name);
    if (kind != FileKind::video) ++result_.rest[extension_of(name)];
    if (kind == FileKind::video)
      entries.videos.push_back(std::move(name));
    else if (kind == FileKind::picture)
      entries.pictures.push_back(std::move(name));
  }

  void add_pictures(const std::string& name, const std::vector<std::string>& pictures) {
    NumberedPictures numbered = numbered_pictures(pictures);
    if (numbered.names.size() < 2) return;
    if (numbered.left_out > 0)
      several_kinds_.add(concat(name.empty() ? "itself" : name, ", of which the ", numbered.names.size(), " named ",
                                numbered.pattern, " are the video, and ", numbered.left_out, " are left out"));
    result_.videos.push_back({name.empty() ? "." : name, std::move(numbered.names)});
  }

  void make_remarks() {
    const auto remark = [&](const Tally& tally, std::string_view thing, std::string_view what) {
      if (tally.count > 0)
        result_.remarks.push_back(in_one_line(concat(folder_.string(), ": ", counted(tally.count, thing), " ", what,
                                                     tally.count == 1 ? " (" : " (the first: ", tally.first, ")")));
    };
    remark(unreadable_, "folder", "cannot be read, and left out");
    remark(broken_links_, "link", "to what is not there, left out");
    remark(links_back_, "link", "back to a folder that it lies in, left out");
    remark(several_kinds_, "folder", "of pictures with more than one series of them");
  }

  std::filesystem::path folder_;
  FolderScan result_;
  std::vector<std::string> crossings_;  // where links were followed on the way here
  std::set<std::string> entered_;       // what links have led to, in this folder of the one searched
  Tally unreadable_, broken_links_, links_back_, several_kinds_;
};

// "3 of .zip, 1 of .txt": what was found where no video was.
inline std::string describe_rest(const FolderScan& scan) {
  std::vector<std::string> kinds;
  for (const auto& [extension, count] : scan.rest)
    kinds.push_back(concat(count, extension.empty() ? "" : " .", extension));
  return first_few(kinds);
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
