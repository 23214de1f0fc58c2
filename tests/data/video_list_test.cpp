// Which videos are found in folders as people have them, and what is said of the rest. Nothing is decoded: the files
// are empty.
#include "dvd/data/video_list.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "dvd/core/error.hpp"
#include "support/temporary_folder.hpp"

using dvd::ListedVideo;
using dvd::VideoListing;

namespace {

using Names = std::vector<std::string>;

// A folder, and what tests do in it.
struct Files {
  TemporaryFolder folder;
  std::filesystem::path operator/(const std::filesystem::path& name) const { return folder.path() / name; }
  void write(const std::filesystem::path& name, const std::string& text) const {
    std::filesystem::create_directories((folder.path() / name).parent_path());
    std::ofstream(folder.path() / name, std::ios::binary) << text;
  }
  // Empty files, "a|b|c".
  void make(const std::string& names) const {
    std::istringstream text(names);
    for (std::string name; std::getline(text, name, '|');) write(name, "");
  }
  VideoListing find(const std::filesystem::path& split = {}) const { return dvd::find_videos(folder.path(), split); }
  std::string error(const std::filesystem::path& split = {}) const {
    try {
      find(split);
    } catch (const dvd::FileError& problem) {
      return problem.what();
    }
    return "none";
  }
};

Names names_of(const VideoListing& listing) {
  Names names;
  for (const ListedVideo& video : listing.videos) names.push_back(video.name);
  return names;
}

// "Class" of each video.
std::map<std::string, std::string> classes_of(const VideoListing& listing) {
  std::map<std::string, std::string> classes;
  for (const ListedVideo& video : listing.videos)
    classes[video.name] = listing.class_names.at(static_cast<std::size_t>(video.label));
  return classes;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Whether there is one remark, which says all of this.
bool only_remark(const VideoListing& listing, std::initializer_list<const char*> parts) {
  if (listing.remarks.size() != 1) return false;
  for (const char* part : parts)
    if (!has(listing.remarks[0], part)) return false;
  return true;
}

Names pictures_of(const ListedVideo& video) {
  Names names;
  for (const auto& picture : video.pictures) names.push_back(picture.filename().string());
  return names;
}

// UCF-101 with two of its three classes.
void make_ucf(const Files& files) {
  files.make(
      "UCF-101/YoYo/v_YoYo_g01_c01.avi|UCF-101/YoYo/v_YoYo_g08_c01.avi|UCF-101/Archery/v_Archery_g01_c01.avi|UCF-101/"
      "Archery/v_Archery_g08_c01.avi");
  files.write("ucfTrainTestlist/classInd.txt", "1 YoYo\r\n2 Archery\r\n3 Bowling\r\n");
  files.write("ucfTrainTestlist/trainlist01.txt",
              "YoYo/v_YoYo_g08_c01.avi 1\r\nArchery/v_Archery_g08_c01.avi 2\r\nBowling/v_Bowling_g08_c01.avi 3\r\n");
  files.write("ucfTrainTestlist/testlist01.txt", "Archery/v_Archery_g01_c01.avi\r\n");
}

}  // namespace

TEST_CASE("UCF-101: classes that are there, in the order of classInd.txt, with the same numbers in every split") {
  const Files files;
  make_ucf(files);
  for (const char* root : {"", "UCF-101", "UCF-101/"}) {
    CAPTURE(root);
    const VideoListing all = dvd::find_videos(files / root);
    CHECK(all.class_names == Names{"YoYo", "Archery"});
    CHECK(names_of(all) == Names{"Archery/v_Archery_g01_c01.avi", "Archery/v_Archery_g08_c01.avi",
                                 "YoYo/v_YoYo_g01_c01.avi", "YoYo/v_YoYo_g08_c01.avi"});
    CHECK(all.videos[0].label == 1);
    CHECK(all.videos[0].split.empty());
    CHECK(std::filesystem::exists(all.videos[0].path));
    CHECK(only_remark(all, {"classInd.txt", "3 classes, of which 2 have videos"}));

    const VideoListing train = dvd::find_videos(files / root, "trainlist01.txt");
    CHECK(train.class_names == all.class_names);
    CHECK(names_of(train) == Names{"YoYo/v_YoYo_g08_c01.avi", "Archery/v_Archery_g08_c01.avi"});
    CHECK(train.videos[1].label == 1);
    CHECK(train.videos[1].split == "trainlist01.txt");
    CHECK(train.missing == 1);
    CHECK(train.unlisted == 2);
    CHECK(has(train.remarks.back(), "trainlist01.txt: 1 of the 3 videos that it names is not in "));
    CHECK(has(train.remarks.back(), "Bowling/v_Bowling_g08_c01.avi 3"));

    const VideoListing test = dvd::find_videos(files / root, "testlist01");
    CHECK(test.class_names == all.class_names);
    CHECK(test.videos.at(0).label == 1);
    CHECK(test.videos[0].split == "testlist01.txt");
  }
}

TEST_CASE("classInd.txt as editors save it; lists of another data set; folders that it does not name") {
  const Files files;
  files.make("UCF-101/Jump Rope/v.avi|UCF-101/Apply Eye Makeup/v.avi");
  for (const char* text : {"\xef\xbb\xbf"
                           "1 Jump Rope\r\n2 Apply Eye Makeup\r\n",
                           "0\tJump Rope\n1\tApply Eye Makeup", "1   Jump Rope  \r2   Apply Eye Makeup\r\r",
                           "2 Apply Eye Makeup\n1 Jump Rope\n"}) {
    CAPTURE(text);
    files.write("ucfTrainTestlist/classInd.txt", text);
    const VideoListing listing = files.find();
    CHECK(listing.class_names == Names{"Jump Rope", "Apply Eye Makeup"});
    CHECK(listing.remarks.empty());
  }
  files.write("ucfTrainTestlist/classInd.txt", "1 Archery\n");
  CHECK(files.find().class_names == Names{"Apply Eye Makeup", "Jump Rope"});
  CHECK(files.find().remarks.empty());
  files.write("ucfTrainTestlist/classInd.txt", "1 Jump Rope\n");
  CHECK(files.find().class_names == Names{"Jump Rope", "Apply Eye Makeup"});
  CHECK(only_remark(files.find(), {"does not name 1 class folder (Apply Eye Makeup)"}));
  files.write("ucfTrainTestlist/classInd.txt", "1 Jump Rope\nApply Eye Makeup\n");
  CHECK(has(files.error(), "classInd.txt: line \"Apply Eye Makeup\" should be a number and a class"));
  files.write("ucfTrainTestlist/classInd.txt", "1 Jump Rope\n1 Apply Eye Makeup\n");
  CHECK(has(files.error(), "two classes have the number 1"));
  files.write("ucfTrainTestlist/classInd.txt", std::string("\xff\xfe"
                                                           "1\0 \0J\0",
                                                           8));
  CHECK(has(files.error(), "UTF-16; expected UTF-8"));
}

TEST_CASE("lists in every way of writing") {
  const Files files;
  files.make(
      "data/Dive/v.avi|data/Dive/two words.avi|data/Run/v.avi|data/Run/V.avi|data/back\\slash/v.avi|data/a, b/7");
  const std::string whole = (files / "data").string();
  const auto found = [&](const std::string& text) {
    files.write("list.txt", text);
    const VideoListing listing = dvd::find_videos(files / "data", files / "list.txt");
    CHECK(listing.remarks.empty());
    CHECK(listing.missing == 0);
    CHECK(listing.unlisted == 6 - static_cast<std::int64_t>(listing.videos.size()));
    return names_of(listing);
  };
  const Names two = {"Run/v.avi", "Dive/v.avi"};
  CHECK(found("Run/v.avi 2\nDive/v.avi 1\n") == two);
  CHECK(found("\xef\xbb\xbfRun/v.avi 2\r\nDive/v.avi 1\r\n") == two);
  CHECK(found("Run\\v.avi\r\nDive\\v.avi\r\n") == two);
  CHECK(found("./Run/v.avi\n.//Dive/./v.avi") == two);
  CHECK(found("  Run/v.avi\t0\n\n\nDive/v.avi\t1  \n") == two);
  CHECK(found("Run/v.avi,0\rDive/v.avi, 1\r") == two);
  CHECK(found("Run/v.avi 164 0\nDive/v.avi 164 1\n") == two);
  CHECK(found("Run/v 0\nDive/v.avi 1\nRun/v 0\n./Run/v.avi") == two);
  CHECK(found("\"Run/v.avi\"\n'Dive/v.avi'\n") == two);
  CHECK(found(whole + "/Run/v.avi\n" + whole + "/../data/Dive/v.avi\n") == two);
  CHECK(found("data/Run/v.avi\ndata\\Dive\\v.avi\n") == two);
  CHECK(found("Dive/two words.avi 1\nDive/two words 1\n./Dive\\two words.avi\n") == Names{"Dive/two words.avi"});
  CHECK(found("back\\slash/v.avi 3\nRun\\V.avi") == Names{"back\\slash/v.avi", "Run/V.avi"});
  CHECK(found("a, b/7\n") == Names{"a, b/7"});
  CHECK(found("a, b/7 7\n") == Names{"a, b/7"});
}

TEST_CASE("lists that do not fit are refused in words, or said in one line") {
  const Files files;
  files.make("Dive/v.avi|Run/v.avi|beside.avi");
  const auto error = [&](const std::string& text) {
    files.write("list.txt", text);
    return files.error("list.txt");
  };
  CHECK(has(error(""), "list.txt: names no videos; expected a path a line"));
  CHECK(has(error("\xef\xbb\xbf\r\n \r\n"), "names no videos"));
  CHECK(has(error(std::string("\xfe\xff\0D\0i", 6)), "UTF-16"));
  CHECK(has(error(std::string("D\0i\0v\0", 6)), "no text in UTF-8"));
  CHECK(
      has(error("/elsewhere/Dive/v.avi\nDive/V.avi\n"), "none of the 2 videos that it names is in a class folder of "));
  CHECK(has(error("/elsewhere/Dive/v.avi\n"), "(/elsewhere/Dive/v.avi, where there is Dive/v.avi); expected paths"));
  CHECK(has(error("beside.avi\n"), "none of the 1 video"));
  CHECK(has(files.error("nothing.txt"), "nothing.txt: no such split; expected the path of a list"));
  CHECK(has(files.error("list.txt#train"), "is no table with columns; leave #train out"));

  files.write("list.txt", "Dive/v.avi 1\nDive/w.avi 1\nDive/w.avi 1\nRun/v.avi 1\nNone/v.avi\nbeside.avi\n");
  const VideoListing listing = files.find("list.txt");
  CHECK(names_of(listing) == Names{"Dive/v.avi", "Run/v.avi"});
  CHECK(listing.missing == 2);
  CHECK(listing.unlisted == 0);
  REQUIRE(listing.remarks.size() == 4);
  CHECK(has(listing.remarks[0], "1 video lies beside the class folders"));
  CHECK(has(listing.remarks[1], "2 of the 5 videos that it names are not in "));
  CHECK(has(listing.remarks[1], "(the first: Dive/w.avi 1); left out"));
  CHECK(has(listing.remarks[2], "names 1 video in no class folder (beside.avi)"));
  CHECK(has(listing.remarks[3], "gives one number to several classes (in 1 line, the first: Run/v.avi 1)"));
}

TEST_CASE("half a million lines are read in no time") {
  const Files files;
  files.make("Class/v0.avi|Class/v1.avi");
  std::string text;
  for (int i = 0; i < 450'000; ++i) text += "Class" + std::to_string(i % 600) + "/v" + std::to_string(i) + ".avi 1\n";
  files.write("list.txt", text + "Class/v0.avi");
  const auto start = std::chrono::steady_clock::now();
  const VideoListing listing = files.find("list.txt");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));  // quadratic search takes minutes
  CHECK(listing.missing == 450'000);
  CHECK(listing.videos.size() == 1);
}

TEST_CASE("junk is ignored, and so is what is no video by its name") {
  const Files files;
  files.make(
      "Dive/v.avi|Dive/without_extension|Dive/strange.xyz|Dive/UPPER.MP4|Run/v.avi|__MACOSX/Dive/v.avi|@eaDir/v.avi/"
      "x.mp4|lost+found/v.avi|$RECYCLE.BIN/v.avi|System Volume "
      "Information/v.avi|.Trash-1000/files/v.avi|.hidden/v.avi|#recycle/v.avi|Dive/@eaDir/v.avi|Dive/.DS_Store|Dive/"
      "Thumbs.db|Dive/desktop.ini|Dive/._v.avi|Dive/v.mp4.part|Dive/v.crdownload|Dive/v.tmp|Dive/v.txt|Dive/V.CSV|Dive/"
      "v.json|Dive/v.zip|Dive/v.srt|Dive/v.md|Dive/cover.jpg|Dive/thumb1.jpg|Dive/thumb2.jpg|Dive/"
      "v.mp4.part-Frag3|Dive/v.avi~|README|LICENSE|notes.txt");
  const VideoListing listing = files.find();
  CHECK(listing.class_names == Names{"Dive", "Run"});
  CHECK(names_of(listing) ==
        Names{"Dive/UPPER.MP4", "Dive/strange.xyz", "Dive/v.avi", "Dive/without_extension", "Run/v.avi"});
  CHECK(listing.remarks.empty());

  files.make("annotations/a.txt|docs/deep/b.pdf");
  std::filesystem::create_directories(files / "empty/folders");
  CHECK(files.find().class_names == listing.class_names);
  CHECK(only_remark(files.find(), {"3 folders without videos (annotations, docs, empty), left out"}));
}

TEST_CASE("links are followed, and lead nowhere twice") {
  const Files files;
  files.make("real/Run/v.avi|real/Run/w.avi|data/Dive/v.avi");
  std::filesystem::create_directory_symlink(files / "real/Run", files / "data/Run");
  std::filesystem::create_directory_symlink(files / "real/Run", files / "data/Sprint");
  std::filesystem::create_symlink(files / "real/Run/w.avi", files / "data/Dive/w.avi");
  VideoListing listing = dvd::find_videos(files / "data");
  CHECK(names_of(listing) ==
        Names{"Dive/v.avi", "Dive/w.avi", "Run/v.avi", "Run/w.avi", "Sprint/v.avi", "Sprint/w.avi"});
  CHECK(listing.remarks.empty());
  std::filesystem::create_directory_symlink("..", files / "data/Dive/up");
  std::filesystem::create_directory_symlink(".", files / "data/Dive/here");
  std::filesystem::create_directory_symlink(files / "data/Dive", files / "real/Run/across");
  std::filesystem::create_symlink("nowhere.avi", files / "data/Dive/broken.avi");
  listing = dvd::find_videos(files / "data");
  CHECK(listing.class_names == Names{"Dive", "Run", "Sprint"});
  CHECK(has(listing.remarks.at(0), "3 links to what is not there, left out (the first: Dive/broken.avi)"));
  CHECK(has(listing.remarks.at(1), "back to a folder that it lies in, left out (the first: Dive/here)"));
  REQUIRE(::mkfifo((files / "data/Dive/pipe.avi").c_str(), 0600) == 0);
  CHECK(names_of(dvd::find_videos(files / "data")) == names_of(listing));
}

TEST_CASE("videos at any depth below the class; files beside the classes; folders that hide the classes") {
  const Files files;
  files.make("Dive/g01/v.avi|Run/g01/deep/deeper/v.avi|Run/g02/v.avi");
  CHECK(classes_of(files.find()) == std::map<std::string, std::string>{{"Dive/g01/v.avi", "Dive"},
                                                                       {"Run/g01/deep/deeper/v.avi", "Run"},
                                                                       {"Run/g02/v.avi", "Run"}});
  CHECK(files.find().remarks.empty());
  files.make("Dive/v.avi");
  CHECK(only_remark(files.find(), {"3 of 4 videos lie deeper, in folders inside the class folders (Dive/g01)"}));
  files.make("a.avi|b.mkv");
  CHECK(files.find().videos.size() == 4);
  CHECK(has(files.find().remarks.at(0), "2 videos lie beside the class folders, in none of them; left out"));

  const Files wrapped;
  wrapped.make("videos/Dive/v.avi|videos/Run/v.avi");
  CHECK(wrapped.find().class_names == Names{"videos"});
  CHECK(only_remark(wrapped.find(), {"inside videos, which is the only class", "give the folder "}));
}

TEST_CASE("a folder of videos alone has no classes") {
  const Files files;
  files.make("b.avi|a.mkv|list.txt");
  CHECK(files.find().class_names.empty());
  CHECK(names_of(files.find()) == Names{"a.mkv", "b.avi"});
  files.write("list.txt", "b.avi 7\nc.avi\n");
  CHECK(names_of(files.find(files / "list.txt")) == Names{"b.avi"});
  CHECK(files.find(files / "list.txt").missing == 1);
}

TEST_CASE("where nothing is found, the message says what is there") {
  const Files files;
  CHECK(has(files.error(), ": holds no videos, and no other files; expected a folder for each class"));
  files.make("a.zip|b.zip|Dive/c.txt|Run/lonely.jpg");
  CHECK(has(files.error(),
            "holds no videos, but files that are none: 1 .jpg, 1 .txt, 2 .zip; its folders are Dive, Run"));
  const auto error = [](const std::filesystem::path& path) {
    try {
      dvd::find_videos(path);
    } catch (const dvd::FileError& problem) {
      return std::string(problem.what());
    }
    return std::string();
  };
  CHECK(has(error(files / "nowhere"), "nowhere: no such folder; expected UCF-101, a folder of class folders"));
  CHECK(has(error(files / "a.zip"), "a.zip: is not a folder"));
}

TEST_CASE("folders of splits: one is chosen, and classes are those of all") {
  const Files files;
  files.make(
      "train/Dive/v.avi|train/Run/v.avi|train/Run/w.avi|test/Run/v.avi|validation/Run/v.avi|annotations/train.txt");
  CHECK(
      has(files.error(),
          "holds no class folders but splits, with videos or class folders inside: test, train, validation (in train: "
          "train/Dive/v.avi); choose one, as in --split train or --data "));
  for (const auto& [split, found] :
       std::map<std::string, Names>{{"train", {"train/Dive/v.avi", "train/Run/v.avi", "train/Run/w.avi"}},
                                    {"test/", {"test/Run/v.avi"}},
                                    {"val", {"validation/Run/v.avi"}},
                                    {(files / "test").string(), {"test/Run/v.avi"}}}) {
    CAPTURE(split);
    const VideoListing listing = files.find(split);
    CHECK(names_of(listing) == found);
    CHECK(listing.class_names == Names{"Dive", "Run"});
    CHECK(listing.videos.back().label == 1);
    CHECK(split.find(listing.videos[0].split.substr(0, 3)) != std::string::npos);
  }
  CHECK(dvd::find_videos(files / "train").class_names == Names{"Dive", "Run"});
  CHECK(has(files.error("eval"), "eval: no such split; "));
  CHECK(has(files.error("eval"), "(there are test, train, validation)"));
  CHECK(has(files.error("annotations"), "annotations: holds no videos"));
  CHECK(has(files.error("train/Dive"), "is a folder, but not directly in "));

  const Files classes;  // which are not all named as splits are
  classes.make("train/v.avi|bus/v.avi");
  CHECK(classes.find().class_names == Names{"bus", "train"});
  const Files one;
  one.make("train_256/Dive/v.avi");
  CHECK(has(one.error(), "--split train_256"));
  const Files flat;
  flat.make("train/a.avi|val/b.avi");
  CHECK(has(flat.error(), "choose one"));
  CHECK(flat.find("train").class_names.empty());
  CHECK(names_of(flat.find("train")) == Names{"train/a.avi"});
}

TEST_CASE("folders of numbered pictures are videos") {
  const Files files;
  files.make(
      "Dive/v1/1.jpg|Dive/v1/2.jpg|Dive/v1/10.jpg|Dive/v1/cover.jpg|Dive/v1/notes.txt|Run/v2/frame_0009.png|Run/v2/"
      "frame_0011.png|Run/v2/frame_0010.PNG|Run/v3.avi|Run/single/0001.jpg|Run/previews/1.jpg|Run/previews/2.jpg|Run/"
      "previews/v.avi");
  const VideoListing listing = files.find();
  CHECK(listing.class_names == Names{"Dive", "Run"});
  REQUIRE(names_of(listing) == Names{"Dive/v1", "Run/previews/v.avi", "Run/v2", "Run/v3.avi"});
  CHECK(pictures_of(listing.videos[0]) == Names{"1.jpg", "2.jpg", "10.jpg"});
  CHECK(std::filesystem::exists(listing.videos[0].pictures[2]));
  CHECK(pictures_of(listing.videos[2]) == Names{"frame_0009.png", "frame_0010.PNG", "frame_0011.png"});
  CHECK(listing.videos[1].pictures.empty());
  files.write("list.txt", "Dive/v1 10 0\nRun/v2/ 3 1\n");
  CHECK(names_of(files.find("list.txt")) == Names{"Dive/v1", "Run/v2"});

  const Files series;  // several in one folder
  series.make(
      "A/v/img_1.jpg|A/v/img_2.jpg|A/v/img_2.png|A/v/img_3.jpg|A/v/flow_x_1.jpg|A/v/flow_x_2.jpg|A/w/1.jpg|A/w/2.png|A/"
      "w/3.jpg");
  const VideoListing several = series.find();
  CHECK(pictures_of(several.videos.at(0)) == Names{"img_1.jpg", "img_2.jpg", "img_3.jpg"});
  CHECK(pictures_of(several.videos.at(1)) == Names{"1.jpg", "2.png", "3.jpg"});
  CHECK(only_remark(several, {"1 folder of pictures with more than one series", "A/v, of which the 3 named img_# are",
                              "3 are left out"}));
}

TEST_CASE("folders of pictures without class folders, beside some, and one alone") {
  const Files files;
  files.make("a/1.jpg|a/2.jpg|b/1.jpg|b/2.jpg");
  CHECK(files.find().class_names.empty());
  CHECK(names_of(files.find()) == Names{"a", "b"});
  CHECK(only_remark(files.find(), {"2 folders of pictures and no class folders"}));
  files.make("c/v.avi");
  CHECK(files.find().class_names == Names{"a", "b", "c"});
  CHECK(only_remark(files.find(), {"2 folders of pictures beside class folders: each is taken as a class"}));
  const VideoListing alone = dvd::find_videos(files / "a/");
  CHECK(names_of(alone) == Names{"a"});
  CHECK(alone.class_names.empty());
  CHECK(pictures_of(alone.videos[0]) == Names{"1.jpg", "2.jpg"});
}

TEST_CASE("the order of numbers") {
  using dvd::detail::natural_less;
  const Names sorted = {"a1b2", "a1b10", "a2", "a10", "a010x", "a99999999999999999998", "a99999999999999999999", "b1"};
  for (std::size_t i = 0; i < sorted.size(); ++i)
    for (std::size_t j = 0; j < sorted.size(); ++j) CHECK(natural_less(sorted[i], sorted[j]) == (i < j));
  CHECK(natural_less("01", "1"));
  CHECK(!natural_less("1", "01"));
}

TEST_CASE("any bytes make a class") {
  const Files files;
  for (const char* name : {"a, b", "[x]", "it's \"q\"", "<b>&amp;", "-dash", "10", "2", "ends ", "lat\xefn", "a=b",
                           "back\\slash", "--help", "Dive", "dive"})
    files.write(std::string(name) + "/v.avi", "");
  const VideoListing listing = files.find();
  CHECK(listing.class_names.size() == 14);
  std::string list, numbers;
  for (const std::string& name : listing.class_names) list += name + "/v.avi 1\n";
  for (std::size_t i = 14; i-- > 0;) numbers += std::to_string(14 - i) + " " + listing.class_names[i] + "\r\n";
  files.write("list.txt", list);
  CHECK(files.find("list.txt").videos.size() == 14);
  CHECK(files.find("list.txt").missing == 0);
  files.write("ucfTrainTestlist/classInd.txt", numbers);
  CHECK(files.find().class_names == Names(listing.class_names.rbegin(), listing.class_names.rend()));
}

TEST_CASE("Kinetics: a table over class folders") {
  const Files files;
  files.make(
      "arm_wrestling/aaaaaaaaaaa_000010_000020.mp4|arm_wrestling/bbb_12_345__000000_000010.webm|person's "
      "head/ccccccccccc_5_15|person's head/-dddddddddd.mkv|other/eeeeeeeeeee_000001_000011.mp4");
  files.write("k.csv",
              "label,youtube_id,time_start,time_end,split,is_cc\r\n"
              "arm wrestling,aaaaaaaaaaa,10,20,train,0\r\n"
              "\"arm wrestling\",bbb_12_345_,0,10,validate,0\r\n"
              "person's head,ccccccccccc,5,15,train,0\r\n"
              "person's head,-dddddddddd,30,40,train,1\r\n"
              "person's head,-dddddddddd,50,60.5,train,1\r\n"
              "person's head,eeeeeeeeeee,1,11,validate,1\r\n"
              "person's head,missing1___,1,11,validate,1\r\n"
              "\"no, \"\"such\"\"\",missing2___,1,11,train,1\r\n"
              "arm wrestling,aaaaaaaaaaa,10,20,train,0\r\n");
  const VideoListing all = files.find("k.csv");
  CHECK(all.class_names == Names{"arm_wrestling", "other", "person's head"});
  CHECK(classes_of(all) ==
        std::map<std::string, std::string>{{"arm_wrestling/aaaaaaaaaaa_000010_000020.mp4", "arm_wrestling"},
                                           {"arm_wrestling/bbb_12_345__000000_000010.webm", "arm_wrestling"},
                                           {"person's head/ccccccccccc_5_15", "person's head"},
                                           {"person's head/-dddddddddd.mkv#t=30,40", "person's head"},
                                           {"person's head/-dddddddddd.mkv#t=50,60.5", "person's head"},
                                           {"other/eeeeeeeeeee_000001_000011.mp4", "person's head"}});
  CHECK(all.videos[0].split == "train");
  CHECK(all.videos[1].split == "validate");
  CHECK(all.videos[0].end == 0);
  CHECK(all.videos[4].start == 50);
  CHECK(all.videos[4].end == 60.5);
  CHECK(all.videos[4].path == files / "person's head/-dddddddddd.mkv");
  CHECK(all.missing == 2);
  CHECK(all.unlisted == 0);
  REQUIRE(all.remarks.size() == 3);
  CHECK(has(all.remarks[0], "k.csv: 2 of the 8 videos that it names are not in "));
  CHECK(has(all.remarks[1], "gives 1 video another label than their folders"));
  CHECK(has(all.remarks[2], "has several splits (train 6, validate 3), all of which are taken; k.csv#train would"));

  const VideoListing some = files.find("k.csv#val");
  CHECK(names_of(some) == Names{"arm_wrestling/bbb_12_345__000000_000010.webm", "other/eeeeeeeeeee_000001_000011.mp4"});
  CHECK(some.class_names == all.class_names);
  CHECK(some.missing == 1);
  CHECK(some.unlisted == 3);
  CHECK(has(files.error("k.csv#test"), "has no split test; expected one of train, validate"));
}

TEST_CASE("Kinetics: a table over files alone, and over folders of splits") {
  const Files files;
  files.make("aaa_000010_000020.mp4|bbb.mp4|ccc_000000_000010.mkv");
  const std::string header = "split;time_end;youtube_id;time_start;label\n";  // from a spreadsheet
  files.write("k.csv", "\xef\xbb\xbf" + header +
                           "train;20;aaa;10;zumba\ntest;10;ccc;0;\"archery\"\ntrain;70;bbb;60;archery\n"
                           "train;10;none;0;bowling\n");
  const VideoListing train = files.find("k.csv#train");
  CHECK(train.class_names == Names{"archery", "zumba"});  // of all splits; nothing is there of bowling
  CHECK(classes_of(train) ==
        std::map<std::string, std::string>{{"aaa_000010_000020.mp4", "zumba"}, {"bbb.mp4#t=60,70", "archery"}});
  CHECK(files.find("k.csv#test").class_names == train.class_names);

  const Files folders;
  folders.make("train/aaa_000010_000020.mp4|val/bbb_000010_000020.mp4");
  folders.write("train.tsv", "youtube_id\tlabel\ttime_start\ttime_end\naaa\tzumba\t10\t20\nccc\tzumba\t10\t20\n");
  const VideoListing listing = folders.find("train.tsv");
  CHECK(names_of(listing) == Names{"train/aaa_000010_000020.mp4"});
  CHECK(listing.videos[0].split == "train.tsv");
  CHECK(listing.class_names == Names{"zumba"});
}

TEST_CASE("Kinetics: with a table for each split, classes have the same numbers in all") {
  const Files files;
  files.make("aaa_000010_000020.mp4|bbb_000010_000020.mp4|ccc.mp4|k_test.csv");
  files.write("k_train.csv", "label,youtube_id,time_start,time_end\nzumba,aaa,10,20\nbowling,none,1,11\n");
  files.write("k_val.csv", "label,youtube_id,time_start,time_end\narchery,bbb,10,20\n");
  files.write("other_val.csv", "label,youtube_id,time_start,time_end\nrunning,ccc,10,20\n");
  for (const char* list : {"k_train.csv", "k_val.csv"})
    CHECK(files.find(list).class_names == Names{"archery", "zumba"});
  CHECK(files.find("k_train.csv").videos.at(0).label == 1);
  CHECK(files.find("other_val.csv").class_names == Names{"running"});
}

TEST_CASE("Kinetics: tables that do not fit") {
  const Files files;
  files.make("aaa_000010_000020.mp4");
  const auto error = [&](const std::string& text, const std::string& part = "") {
    files.write("k.csv", text);
    return files.error("k.csv" + part);
  };
  CHECK(has(error("zumba,aaa,10,20,train\n"), "its first line names the columns zumba, aaa, 10, 20, train; expected "));
  CHECK(has(error(""), "(none)"));
  CHECK(has(error("label,youtube_id,time_start,time_end\n"), "names no videos"));
  CHECK(has(error("label,youtube_id,time_start,time_end\nzumba,aaa\n"), "other columns, from line 2"));
  CHECK(
      has(error("label,youtube_id,time_start,time_end\nzumba,bbb,1,11\n"), "none of the 1 video that it names is in "));
  CHECK(has(error("label,youtube_id,time_start,time_end\nzumba,aaa,10,20\n", "#train"), "has no column split"));

  files.write("k.csv",
              "label,youtube_id,time_start,time_end\nzumba,aaa,10,20\nzumba\nzumba,b,x,y\n\"zum\nba,aaa,1,2\n");
  const VideoListing listing = files.find("k.csv");
  CHECK(listing.videos.size() == 1);
  CHECK(only_remark(listing, {"3 lines with other columns than the first one says (from line 3 on)"}));

  files.write("k.csv", "youtube_id,time_start,time_end,split\naaa,10,20,test\n");  // as Kinetics' test set
  CHECK(files.find("k.csv").class_names.empty());
  CHECK(only_remark(files.find("k.csv"), {"has no column label, and there are no class folders"}));
  files.make("Zumba/aaa_000010_000020.mp4");
  std::filesystem::remove(files / "aaa_000010_000020.mp4");
  CHECK(files.find("k.csv").class_names == Names{"Zumba"});
  CHECK(only_remark(files.find("k.csv"), {"has no column label; classes are the folders"}));
}
