// Any bytes as the lists of a folder of videos: a split's, a path a line; a table as Kinetics'; UCF-101's classInd.txt.
#include "dvd/data/video_list.hpp"
#include "fuzz_input.hpp"

namespace {

struct Folders {
  std::filesystem::path ucf = fuzz::folder() / "ucf", kinetics = fuzz::folder() / "kinetics";

  Folders() {
    for (const char* const name : {"UCF-101/Archery/v_Archery_g01_c01.avi", "UCF-101/Archery/v_Archery_g01_c02.avi",
                                   "UCF-101/Biking/v_Biking_g01_c01.avi", "ucfTrainTestlist/trainlist01.txt"})
      touch(ucf / name);
    for (const char* const name : {"playing chess/abcdefghijk_000010_000020.mp4", "playing chess/bcdefghijkl.mp4",
                                   "riding_a_bike/cdefghijklm_10_20.webm"})
      touch(kinetics / name);
  }

  static void touch(const std::filesystem::path& path) {
    std::filesystem::create_directories(path.parent_path());
    fuzz::write(path, "x");
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folders folders;
  static const std::filesystem::path list = folders.ucf / "ucfTrainTestlist" / "testlist01.txt";
  static const std::filesystem::path classes = folders.ucf / "ucfTrainTestlist" / "classInd.txt";
  static const std::filesystem::path table = folders.kinetics / "train.csv";
  const std::string_view text = fuzz::text_of(data, size);
  fuzz::write(list, text);
  fuzz::write(classes, text);
  fuzz::write(table, text);
  const auto check = [](const dvd::VideoListing& listing) {
    for (const dvd::ListedVideo& video : listing.videos) {
      const auto classes_there = static_cast<std::int64_t>(std::max<std::size_t>(listing.class_names.size(), 1));
      fuzz::expect(video.label >= 0 && video.label < classes_there, "a label");
      fuzz::expect(video.path.string().starts_with(listing.folder.string()), "a video within the folder");
    }
    for (const std::string& remark : listing.remarks)
      fuzz::expect(remark.find('\n') == remark.npos, "a remark is one line");
  };
  fuzz::succeeds([&] { check(dvd::find_videos(folders.ucf, list)); });
  fuzz::succeeds([&] { check(dvd::find_videos(folders.kinetics, table)); });
  fuzz::succeeds([&] { check(dvd::find_videos(folders.kinetics, table.string() + "#train")); });
  return 0;
}
