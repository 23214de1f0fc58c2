// What a file or folder is by its name: a video, a picture, something else, or what systems and tools leave behind.
#pragma once

#include "dvd/core/macros_begin.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "dvd/data/text_lines.hpp"

namespace dvd::inline DVD_INSTRUCTION_SET::detail {

enum class FileKind {
  video,    // or something that may be one: its extension is unknown, or it has none
  picture,  // which is a frame, or none of our business
  other
};

// "avi" of "video.AVI"; empty where there is none.
inline std::string extension_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? "" : lower_case(name.substr(dot + 1));
}

// A name without its extension.
inline std::string_view stem_of(std::string_view name) {
  const std::size_t slash = name.rfind('/'), dot = name.rfind('.');
  const std::size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
  return dot == std::string_view::npos || dot <= begin ? name : name.substr(0, dot);
}

// Kinds of files that people keep beside videos. What FFmpeg would make of some of them (text, subtitles, music with a
// cover) is no video either.
inline constexpr auto extensions_of_others = [] {
  std::array names = std::to_array<std::string_view>(
      {// text, tables, lists
       "txt", "text", "csv", "tsv", "json", "jsonl", "ndjson", "xml", "yaml", "yml", "toml", "ini", "cfg", "conf", "md",
       "rst", "tex", "rtf", "htm", "html", "css", "js", "log", "lst", "nfo", "url", "lnk", "webloc", "desktop", "pdf",
       "doc", "docx", "odt", "xls", "xlsx", "ods", "ppt", "pptx", "bib", "m3u", "m3u8", "pls", "xspf", "cue", "edl",
       // subtitles
       "srt", "vtt", "ass", "ssa", "sub", "idx", "lrc", "ttml", "sbv",
       // archives and sums
       "zip", "gz", "tgz", "bz2", "xz", "zst", "7z", "rar", "tar", "lz4", "md5", "sha1", "sha256", "sfv", "torrent",
       // sound
       "mp3", "wav", "flac", "m4a", "aac", "opus", "oga", "wma", "aiff", "mid", "midi",
       // numbers
       "npy", "npz", "pkl", "pickle", "pt", "pth", "h5", "hdf5", "mat", "safetensors", "parquet", "arrow", "feather",
       "tfrecord", "lmdb", "mdb", "db", "sqlite", "sqlite3", "onnx", "ckpt",
       // programs
       "py", "pyc", "ipynb", "sh", "bat", "ps1", "exe", "dll", "so", "c", "cc", "cpp", "h", "hpp", "r", "pl", "rb",
       // what is not there as a whole
       "part", "partial", "crdownload", "download", "tmp", "temp", "aria2", "ytdl", "filepart", "lock", "bak", "old",
       "orig", "swp", "svg", "psd", "ai", "thm", "lrv"});
  std::ranges::sort(names);
  return names;
}();

// Formats of pictures of which a folder may hold a video, one a frame.
inline constexpr auto extensions_of_pictures = [] {
  std::array names = std::to_array<std::string_view>(
      {"jpg", "jpeg", "jpe", "jfif", "png", "bmp", "dib", "tif",  "tiff", "webp", "ppm", "pgm", "pbm",
       "pnm", "pam",  "tga", "jp2",  "j2k", "exr", "dpx", "heic", "heif", "avif", "jxl", "ico", "pcx"});
  std::ranges::sort(names);
  return names;
}();

inline FileKind kind_of_file(std::string_view name) {
  const std::string extension = extension_of(name);
  if (std::ranges::binary_search(extensions_of_pictures, extension)) return FileKind::picture;
  constexpr auto texts = std::to_array<std::string_view>(
      {"readme", "license", "licence", "copying", "changelog", "changes", "version", "notice", "authors", "citation",
       "makefile", "md5sums", "sha1sums", "sha256sums", "checksums"});
  if (extension.empty() && std::ranges::find(texts, lower_case(name)) != texts.end()) return FileKind::other;
  const bool part = extension.starts_with("part-") || name.ends_with('~');  // of a download; a copy that editors keep
  return part || std::ranges::binary_search(extensions_of_others, extension) ? FileKind::other : FileKind::video;
}

// Hidden, or left by an operating system, a file server or a tool. Neither a class nor anything in one.
inline bool is_junk(std::string_view name) {
  constexpr auto junk = std::to_array<std::string_view>(
      {"__macosx", "@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot", "lost+found",
       "$recycle.bin", "recycler", "system volume information", "found.000", "lost.dir", "__pycache__",
       "network trash folder", "temporary items", "icon\r", "ucftraintestlist"});
  return name.starts_with('.') || std::ranges::find(junk, lower_case(name)) != junk.end();
}

// Whether a folder of this name holds a part of a data set, as train, test and val do, rather than a class.
inline bool is_split_name(std::string_view name) {
  constexpr auto words = std::to_array<std::string_view>(
      {"train", "training", "trainset", "train_set", "test", "testing", "testset", "test_set", "val", "valid",
       "validate", "validation", "valset", "val_set", "validation_set", "training_set", "eval", "dev", "holdout"});
  std::string word = lower_case(name);
  // "train_256" and "val-1" are of a size, or one of several.
  if (const std::size_t end = word.find_last_not_of("0123456789"); end != std::string::npos && end + 1 < word.size())
    word.erase(word[end] == '_' || word[end] == '-' ? end : end + 1);
  return std::ranges::find(words, word) != words.end();
}

}  // namespace dvd::detail

#include "dvd/core/macros_end.hpp"
