// Which videos a folder holds, of which classes and splits: UCF-101, Kinetics, or any other. Nothing is decoded.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dvd/core/error.hpp"
#include "dvd/data/class_folders.hpp"
#include "dvd/data/folder_scan.hpp"
#include "dvd/data/kinetics_list.hpp"
#include "dvd/data/listed_names.hpp"
#include "dvd/data/text_lines.hpp"
#include "dvd/data/video_places.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET {

/// One video of a folder: a file, or a folder of numbered pictures.
struct ListedVideo {
  std::filesystem::path path;  ///< of the file, or of the folder of pictures
  /// Of the video within the folder, "Class/video.avi", with '/', as lists have it: what it is known by. A part of a
  /// file has its seconds behind it, "Class/video.mp4#t=10,20".
  std::string name;
  std::int64_t label = 0;  ///< index into class_names; 0 where there are none
  /// What a list says it belongs to ("train", "validate"), or the name of the list ("trainlist01.txt") or of the folder
  /// ("train") that was asked for; empty without one.
  std::string split;
  std::vector<std::filesystem::path> pictures = {};  ///< not empty: the video is these pictures, in order
  /// Seconds within the file that are the video, where a list cuts untrimmed files; end 0: to its end.
  double start = 0, end = 0;
};

/// What find_videos found.
struct VideoListing {
  std::filesystem::path folder;          ///< that the videos lie in
  std::vector<std::string> class_names;  ///< empty: without labels
  std::vector<ListedVideo> videos;       ///< in order of name, or of the list that names them; at least one
  /// A line each: what was found that does not fit, such as missing files (in one line), folders left out, and lists
  /// that disagree with the folder.
  std::vector<std::string> remarks;
  std::int64_t missing = 0;   ///< videos that a list names and that are not there
  std::int64_t unlisted = 0;  ///< videos that are there and that the list in use does not name
};

namespace detail {

class VideoFinder {
 public:
  VideoFinder(const std::filesystem::path& root, const std::filesystem::path& split)
      : places_(find_places(root)), split_(find_split(places_, split)) {}

  VideoListing find() {
    const std::string text = split_.list.empty() ? std::string() : read_text(split_.list);
    const bool table = !split_.list.empty() && is_table(split_.list, text);
    if (!split_.part.empty() && !table)
      fail(split_.list, concat("is no table with columns; leave #", split_.part, " out"));
    scan_ = FolderScanner::scan(places_.videos);
    listing_.folder = places_.videos;
    listing_.remarks = std::move(scan_.remarks);
    if (scan_.videos.empty()) fail_without_videos();
    if (split_.folder.empty() && !table && holds_split_folders(scan_)) refuse_split_folders();

    find_class_names();
    if (table) {
      take_table(text);
    } else {
      labels_ = label_videos(names_, listing_.class_names);
      remark_on_layout();
      if (split_.list.empty())
        take_folder();
      else
        take_lines(text);
    }
    return std::move(listing_);
  }

 private:
  [[noreturn]] static void fail(const std::filesystem::path& path, const std::string& what) {
    throw FileError(in_one_line(concat(path.string(), ": ", what)));
  }

  void remark(const std::filesystem::path& path, const std::string& what) {
    listing_.remarks.push_back(in_one_line(concat(path.string(), ": ", what)));
  }

  [[noreturn]] void fail_without_videos() const {
    const std::string found = describe_rest(scan_);
    fail(
        places_.videos,
        concat("holds no videos", found.empty() ? ", and no other files" : concat(", but files that are none: ", found),
               scan_.without_videos.empty() ? "" : concat("; its folders are ", first_few(scan_.without_videos)),
               listing_.remarks.empty() ? "" : "; " + listing_.remarks.front(),
               "; expected a folder for each class, with videos or folders of numbered pictures, or videos without "
               "classes"));
  }

  [[noreturn]] void refuse_split_folders() const {
    std::set<std::string> folders;
    for (const FoundVideo& video : scan_.videos)
      if (!behind_first_folder(video.name).empty()) folders.emplace(first_folder(video.name));
    const auto train = std::ranges::find_if(folders, [](const std::string& name) { return name.starts_with("train"); });
    const std::string& one = train == folders.end() ? *folders.begin() : *train;
    fail(places_.videos, concat("holds no class folders but splits, with videos or class folders inside: ",
                                first_few({folders.begin(), folders.end()}), " (in ", one, ": ",
                                std::ranges::find(scan_.videos, std::string_view(one),
                                                  [](const FoundVideo& video) { return first_folder(video.name); })
                                    ->name,
                                "); choose one, as in --split ", one, " or --data ", (places_.videos / one).string()));
  }

  // By the folders, whatever the split: a class has the same number in each.
  void find_class_names() {
    names_.reserve(scan_.videos.size());
    for (const FoundVideo& video : scan_.videos) {
      const std::string_view name = video.name, folder = first_folder(name);
      const bool of_a_split = is_split_name(folder) || folder == split_.folder;
      names_.push_back(split_.folder.empty() ? name : of_a_split ? behind_first_folder(name) : std::string_view());
    }
    listing_.class_names = find_classes(scan_, names_);
    const std::filesystem::path list = places_.lists / "classInd.txt";
    if (!listing_.class_names.empty() && !places_.lists.empty() && is_list(list))
      order_by_list(listing_.class_names, list, listing_.remarks);
  }

  void remark_on_layout() {
    std::int64_t beside = 0, pictures = 0, all = 0;
    Tally deeper;
    std::set<std::string_view> folders_of_first;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const std::string_view rest = behind_first_folder(names_[i]);
      if (names_[i].empty()) continue;
      ++all;
      beside += labels_[i] < 0;
      pictures += rest.empty() && !scan_.videos[i].pictures.empty() && names_[i] != ".";
      if (behind_first_folder(rest).empty()) continue;
      deeper.add(names_[i].substr(0, names_[i].rfind('/')));
      folders_of_first.insert(first_folder(rest));
    }
    const bool classes = !listing_.class_names.empty();
    if (beside > 0)
      remark(places_.videos, concat(counted(beside, "video"), beside == 1 ? " lies" : " lie",
                                    " beside the class folders, in none of them; left out"));
    if (pictures > 0)
      remark(places_.videos,
             concat(counted(pictures, "folder"), " of pictures ",
                    classes ? "beside class folders: each is taken as a class of one video"
                            : "and no class folders: each is taken as a video without a class (expected "
                              "CLASS/VIDEO/0001.jpg where there are classes)"));
    if (deeper.count > 0 && deeper.count < all - beside)
      remark(places_.videos,
             concat(deeper.count, " of ", counted(all - beside, "video"), deeper.count == 1 ? " lies" : " lie",
                    " deeper, in folders inside the class folders (", deeper.first,
                    "); taken as videos of these classes"));
    if (listing_.class_names.size() == 1 && deeper.count == all - beside && folders_of_first.size() > 1)
      remark(places_.videos, concat("all videos lie in folders inside ", listing_.class_names[0],
                                    ", which is the only "
                                    "class; if those are the classes, give the folder ",
                                    (places_.videos / listing_.class_names[0]).string()));
    if (!scan_.without_videos.empty())
      remark(places_.videos, concat(counted(static_cast<std::int64_t>(scan_.without_videos.size()), "folder"),
                                    " without videos (", first_few(scan_.without_videos), "), left out"));
  }

  ListedVideo& add(std::size_t i, std::int64_t label, std::string split) {
    const FoundVideo& found = scan_.videos[i];
    if (found.name == ".")  // the folder itself, of pictures
      listing_.videos.push_back({places_.videos, whole_path(places_.videos).filename().string(), 0, std::move(split)});
    else
      listing_.videos.push_back({places_.videos / found.name, found.name, label, std::move(split)});
    ListedVideo& video = listing_.videos.back();
    video.pictures.reserve(found.pictures.size());
    for (const std::string& picture : found.pictures) video.pictures.push_back(video.path / picture);
    return video;
  }

  // All videos, or those of a split's folder.
  void take_folder() {
    for (std::size_t i = 0; i < scan_.videos.size(); ++i)
      if (labels_[i] >= 0 && (split_.folder.empty() || first_folder(scan_.videos[i].name) == split_.folder))
        add(i, labels_[i], split_.folder);
    if (!listing_.videos.empty()) return;
    fail(places_.videos / split_.folder,
         concat("holds no videos", listing_.class_names.empty() ? "" : " in folders of the classes ",
                first_few(listing_.class_names), "; expected some, as beside it"));
  }

  // Those that a list names, a line each.
  void take_lines(std::string_view text) {
    const std::filesystem::path around = whole_path(places_.videos).parent_path();
    ListedNames names(scan_, places_.videos,
                      {around, places_.root, std::filesystem::path("."), whole_path(split_.list).parent_path()});
    const std::string split = split_.list.filename().string();
    std::vector<bool> taken(scan_.videos.size());
    std::map<std::string_view, std::int64_t> label_of_number;
    Tally missing, outside, disagreeing;
    std::set<std::string_view> missing_lines;  // a line may come twice
    std::int64_t named = 0;
    for (const std::string_view line : lines_of(text)) {
      const std::optional<ListedName> found = names.find(line);
      if (!found) {
        if (missing_lines.insert(trimmed(line)).second) {
          missing.add(trimmed(line));
          ++named;
        }
        continue;
      }
      if (taken[found->video]) continue;
      taken[found->video] = true;
      ++named;
      const std::int64_t label = labels_[found->video];
      if (label < 0) {
        outside.add(trimmed(line));
        continue;
      }
      if (!found->number.empty() && label_of_number.emplace(found->number, label).first->second != label)
        disagreeing.add(trimmed(line));
      add(found->video, label, split);
    }
    if (named == 0) fail(split_.list, "names no videos; expected a path a line, as in Class/video.avi");
    listing_.missing = missing.count;
    count_unlisted(taken);
    if (listing_.videos.empty())
      fail(split_.list, concat("none of the ", counted(named, "video"), " that it names is in ",
                               listing_.class_names.empty() ? "" : "a class folder of ", places_.videos.string(), " (",
                               missing.count > 0 ? missing.first : outside.first, ", where there is ",
                               scan_.videos.front().name, "); expected paths within that folder"));
    remark_on_missing(named, missing);
    if (outside.count > 0)
      remark(split_.list, concat("names ", counted(outside.count, "video"), " in no class folder (",
                                 outside.count == 1 ? "" : "the first: ", outside.first, "); left out"));
    if (disagreeing.count > 0 && !listing_.class_names.empty())
      remark(split_.list, concat("gives one number to several classes (in ", counted(disagreeing.count, "line"),
                                 ", the first: ", disagreeing.first, "); classes are the folders"));
  }

  void count_unlisted(const std::vector<bool>& taken) { listing_.unlisted = std::ranges::count(taken, false); }

  void remark_on_missing(std::int64_t named, const Tally& missing) {
    if (missing.count > 0)
      remark(split_.list, concat(missing.count, " of the ", counted(named, "video"), " that it names ",
                                 missing.count == 1 ? "is" : "are", " not in ", places_.videos.string(), " (",
                                 missing.count == 1 ? "" : "the first: ", missing.first, "); left out"));
  }

  // Those that a table as Kinetics' names.
  void take_table(std::string_view text) {
    const KineticsList list = read_kinetics(split_.list, text);
    const KineticsFiles files(scan_);
    if (list.malformed.count > 0)
      remark(split_.list, concat(counted(list.malformed.count, "line"), " with other columns than the first one says (",
                                 list.malformed.count == 1 ? "" : "from ", list.malformed.first, " on); left out"));
    const std::unordered_map<std::string, std::int64_t> labels = find_labels(list, files);
    labels_ = label_videos(names_, listing_.class_names);
    const bool by_folder = !list.has_labels && !listing_.class_names.empty();
    if (!list.has_labels)
      remark(split_.list, by_folder ? "has no column label; classes are the folders"
                                    : "has no column label, and there are no class folders; videos have no classes");

    std::vector<bool> taken(scan_.videos.size());
    std::unordered_map<std::string, bool> seen;
    std::map<std::string, std::int64_t> splits;
    Tally missing, outside, disagreeing;
    std::int64_t named = 0;
    const std::string wanted = split_word(split_.part), file = split_.list.filename().string();
    for (const KineticsRow& row : list.rows) {
      if (list.has_splits) ++splits[row.split];
      if (!split_.part.empty() && split_word(row.split) != wanted) continue;
      const std::string key = concat(row.id, "#t=", row.start, ",", row.end);
      if (!seen.emplace(key, true).second) continue;
      ++named;
      const auto match = files.find(row);
      if (!match) {
        missing.add(row.id);
        continue;
      }
      if (taken[match->video] && !match->whole) continue;
      taken[match->video] = true;
      const std::int64_t of_folder = labels_[match->video];
      const std::int64_t label = list.has_labels ? labels.at(row.label) : by_folder ? of_folder : 0;
      if (label < 0) {
        outside.add(concat(scan_.videos[match->video].name, list.has_labels ? ", " : "", row.label));
        continue;
      }
      if (of_folder >= 0 && of_folder != label) disagreeing.add(scan_.videos[match->video].name);
      ListedVideo& video = add(match->video, label, list.has_splits ? row.split : file);
      if (!match->whole) continue;
      video.start = row.start;
      video.end = row.end;
      video.name += concat("#t=", row.start, ",", row.end);
    }
    check_part(list, splits);
    listing_.missing = missing.count;
    count_unlisted(taken);
    if (listing_.videos.empty())
      fail(split_.list,
           concat("none of the ", counted(named, "video"), " that it names is in ", places_.videos.string(), " (",
                  missing.first, ", where there is ", scan_.videos.front().name,
                  "); expected files named ID_000010_000020, ID_10_20 or ID with any extension, in any folders"));
    remark_on_missing(named, missing);
    if (outside.count > 0)
      remark(split_.list, concat("names ", counted(outside.count, "video"), " of no class that has a folder (",
                                 outside.count == 1 ? "" : "the first: ", outside.first, "); left out"));
    if (disagreeing.count > 0)
      remark(split_.list,
             concat("gives ", counted(disagreeing.count, "video"), " another label than their folders (",
                    disagreeing.count == 1 ? "" : "the first: ", disagreeing.first, "); the label is what counts"));
    if (split_.part.empty() && splits.size() > 1) {
      std::vector<std::string> parts;
      parts.reserve(splits.size());
      for (const auto& [name, count] : splits) parts.push_back(concat(name.empty() ? "none" : name, " ", count));
      remark(split_.list, concat("has several splits (", first_few(parts), "), all of which are taken; ", file, "#",
                                 splits.contains("train") ? "train" : splits.rbegin()->first, " would take one"));
    }
  }

  void check_part(const KineticsList& list, const std::map<std::string, std::int64_t>& splits) const {
    if (split_.part.empty()) return;
    if (!list.has_splits) fail(split_.list, concat("has no column split; leave #", split_.part, " out"));
    std::vector<std::string> names;
    for (const auto& [name, count] : splits)
      if (split_word(name) == split_word(split_.part))
        return;
      else
        names.push_back(name);
    fail(split_.list, concat("has no split ", split_.part, "; expected one of ", first_few(names, 12)));
  }

  // The number of each label: that of the folder named as it, where folders are named as labels; else labels are the
  // classes, those of which any file is there, whatever its split, in order of their names.
  std::unordered_map<std::string, std::int64_t> find_labels(const KineticsList& list, const KineticsFiles& files) {
    std::unordered_map<std::string, std::int64_t> labels;
    if (!list.has_labels) return labels;
    std::unordered_map<std::string, std::int64_t> folders;
    for (const std::string& name : listing_.class_names) {
      const auto number = static_cast<std::int64_t>(folders.size());
      folders.emplace(with_blanks(name), number);
    }
    bool any = false;
    for (const KineticsRow& row : list.rows) {
      const auto folder = folders.find(with_blanks(row.label));
      labels[row.label] = folder == folders.end() ? -1 : folder->second;
      any = any || folder != folders.end();
    }
    if (any) return labels;
    std::set<std::string> classes;
    const auto add_classes = [&](const std::vector<KineticsRow>& rows) {
      for (const KineticsRow& row : rows)
        if (!row.label.empty() && !classes.contains(row.label) && files.find(row)) classes.insert(row.label);
    };
    add_classes(list.rows);
    for (const KineticsList& other : lists_of_other_splits(split_.list)) add_classes(other.rows);
    listing_.class_names.assign(classes.begin(), classes.end());
    std::int64_t number = 0;
    for (const std::string& name : classes) labels[name] = number++;
    return labels;
  }

  VideoPlaces places_;
  VideoSplit split_;
  FolderScan scan_;
  std::vector<std::string_view> names_;  // of the scan's videos from the class folder on; empty: of no split
  std::vector<std::int64_t> labels_;     // of the scan's videos; -1: in no class folder
  VideoListing listing_;
};

}  // namespace detail

/// Finds the videos of `root`, those of one `split` or all.
///
/// `root` holds a folder for each class, in it, at any depth, video files, or folders with at least two numbered
/// pictures and no videos, which are a video each; or such videos alone, a set without classes. UCF-101 may be given as
/// the folder that holds `UCF-101` and `ucfTrainTestlist`, or as `UCF-101` itself with `ucfTrainTestlist` beside it.
/// Files that are no videos by their names, hidden ones and what systems leave behind (`__MACOSX`, `lost+found`) are
/// ignored; a file with an unknown extension or none counts as a video. Links are followed. Pictures are in the order
/// of their numbers; of several series in one folder the longest is taken.
///
/// Classes are the class folders with videos, in order of `ucfTrainTestlist/classInd.txt` where that names any of them,
/// those it does not name behind it; else in the order of their names; whatever the split. `split` is
/// - a list, by its path or by its name in `ucfTrainTestlist` (where ".txt" may be left out) or in `root`: a path a
///   line, "Class/video.avi", within the folder, a whole one, or as seen from the folders around; numbers behind it are
///   ignored; or
/// - a table as Kinetics', by its path: comma separated values whose first line names the columns `youtube_id` and, as
///   far as there are any, `label`, `time_start`, `time_end` and `split`. Files are named ID_000010_000020, ID_10_20 or
///   ID (untrimmed: the video is a part of the file), with any extension. "kinetics.csv#validate" takes one of the
///   splits that the table holds. Where no class folder is named as a label, blanks or '_' between words, the classes
///   are the labels of which any file is there, in order of their names, be it by the table of another split beside
///   this one (train.csv, validate.csv); or
/// - a folder directly in `root`, such as train beside test, that holds class folders. The classes are those of all
///   these folders.
///
/// Throws FileError where `root` or the split is missing or cannot be read, and where nothing is left: no videos, an
/// empty list, or one that names none of those there; and where `root` holds folders of splits, but none is chosen.
inline VideoListing find_videos(const std::filesystem::path& root, const std::filesystem::path& split = {}) {
  return detail::VideoFinder(root, split).find();
}

}  // namespace dvd

#include "dvd/core/macros_end.hpp"
