// A JPEG as the network sees it, by the toolkit's rules: upright, resized as Pillow resizes, cut into
// crops on a grid; and the scores of crops made one. What an export says of itself is JSON.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <numeric>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

#include <jpeglib.h>

struct Image {
  int width, height;
  std::vector<uint8_t> rgb;  // height x width x 3
  const uint8_t* at(int x, int y) const { return &rgb[(size_t(y) * width + x) * 3]; }
};

// The value of a key as it stands in the JSON, without quotation marks.
inline std::string field(const std::string& about, const std::string& key) {
  std::smatch found;
  const std::regex wanted("\"" + key + "\":\\s*(\\[[^\\]]*\\]|\"([^\"]*)\"|[-+.\\w]+)");
  if (!std::regex_search(about, found, wanted)) throw std::runtime_error("no " + key + " in the model: export again");
  return found[2].matched ? found[2].str() : found[1].str();
}

inline std::vector<int> size_of(const std::string& about, const std::string& key) {  // (height, width)
  const std::string text = field(about, key);
  const char* at = text.c_str() + 1;
  char* end;
  const int height = std::strtol(at, &end, 10);
  return {height, int(std::strtol(end + 1, nullptr, 10))};
}

inline int orientation(const jpeg_saved_marker_ptr first) {
  for (auto marker = first; marker; marker = marker->next) {
    const uint8_t* data = marker->data + 6;  // "Exif\0\0" comes before
    const long length = long(marker->data_length) - 6;
    if (length < 14 || std::string(reinterpret_cast<char*>(marker->data), 4) != "Exif") continue;
    const bool little = data[0] == 'I';
    auto number = [&](long at, int bytes) {
      long value = 0;
      for (int i = 0; i < bytes && at + bytes <= length; i++) value = value << 8 | data[little ? at + bytes - 1 - i : at + i];
      return value;
    };
    const long table = number(4, 4);
    for (long i = 0; i < number(table, 2); i++)
      if (number(table + 2 + 12 * i, 2) == 0x0112) return number(table + 10 + 12 * i, 2);
  }
  return 1;
}

// Decoded at a half, a quarter or an eighth of its size where the model saw it so, at least twice as large as it is
// resized to.
inline Image read_jpeg(const std::string& path, const std::string& about) {
  const double max_pixels = std::stod(field(about, "max_pixels"));
  FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) throw std::runtime_error(path + ": cannot be opened");
  jpeg_decompress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  info.client_data = const_cast<char*>(path.c_str());
  errors.error_exit = [](j_common_ptr info) {
    std::cerr << "error: " << static_cast<const char*>(info->client_data) << ": " << std::flush;
    info->err->output_message(info);  // such as: Not a JPEG file
    std::exit(1);
  };
  jpeg_create_decompress(&info);
  jpeg_stdio_src(&info, file);
  jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&info, TRUE);
  if (double(info.image_width) * info.image_height > max_pixels) throw std::runtime_error(path + ": too many pixels");
  const int turn = orientation(info.marker_list);
  const bool swap = turn >= 5 && turn <= 8;
  if (std::regex_search(about, std::regex("\"decode\":\\s*\"fast\""))) {
    const auto size = size_of(about, "image_size");
    const int scale = std::min(info.image_width / (2 * size[!swap]), info.image_height / (2 * size[swap]));
    info.scale_num = 1;
    info.scale_denom = scale >= 8 ? 8 : scale >= 4 ? 4 : scale >= 2 ? 2 : 1;
  }
  info.out_color_space = JCS_RGB;
  jpeg_start_decompress(&info);
  const int width = info.output_width, height = info.output_height;
  Image stored{width, height, std::vector<uint8_t>(size_t(width) * height * 3)};
  while (info.output_scanline < info.output_height) {
    uint8_t* row = &stored.rgb[size_t(info.output_scanline) * width * 3];
    jpeg_read_scanlines(&info, &row, 1);
  }
  if (errors.num_warnings) throw std::runtime_error(path + ": damaged");
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  std::fclose(file);
  const bool mirror = turn == 2 || turn == 3 || turn == 7 || turn == 8;
  const bool flip = turn == 3 || turn == 4 || turn == 6 || turn == 7;
  Image upright{swap ? height : width, swap ? width : height, {}};
  for (int y = 0; y < upright.height; y++)
    for (int x = 0; x < upright.width; x++) {
      const int across = swap ? y : x, down = swap ? x : y;
      const uint8_t* pixel = stored.at(mirror ? width - 1 - across : across, flip ? height - 1 - down : down);
      upright.rgb.insert(upright.rgb.end(), pixel, pixel + 3);
    }
  return upright;
}

// Along x, then turned over, so that two calls are both passes of Pillow (libImaging/Resample.c).
inline Image pass(const Image& image, int wanted, bool cubic) {
  const double scale = double(image.width) / wanted, stretch = std::max(scale, 1.0), support = (cubic ? 2 : 1) * stretch;
  auto filter = [&](double x) {
    x = std::abs(x);
    if (!cubic) return std::max(0.0, 1 - x);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  };
  Image turned{image.height, wanted, std::vector<uint8_t>(size_t(wanted) * image.height * 3)};
  for (int x = 0; x < wanted; x++) {
    const double centre = (x + 0.5) * scale;
    const int first = std::max(0, int(centre - support + 0.5)), last = std::min(image.width, int(centre + support + 0.5));
    std::vector<double> weights;
    for (int i = first; i < last; i++) weights.push_back(filter((i - centre + 0.5) / stretch));
    const double total = wanted == image.width ? 0 : std::accumulate(weights.begin(), weights.end(), 0.0);
    for (int y = 0; y < image.height; y++)
      for (int c = 0; c < 3; c++) {
        int64_t sum = 1 << 21;  // weights are whole numbers of 1 / 2^22
        for (int i = first; total && i < last; i++) sum += std::llround(weights[i - first] / total * (1 << 22)) * image.at(i, y)[c];
        const int64_t value = total ? std::clamp<int64_t>(sum >> 22, 0, 255) : image.at(x, y)[c];
        turned.rgb[(size_t(x) * image.height + y) * 3 + c] = value;
      }
  }
  return turned;
}

inline Image resized(const Image& image, int height, int width, bool cubic) {
  // As Pillow 13: rows first where many of them go, which leaves fewer to be resized.
  if (image.height - height > 2 * std::max(0, image.width - width)) {
    const auto turned = [](const Image& image) { return pass(image, image.width, false); };
    return turned(pass(pass(turned(image), height, cubic), width, cubic));
  }
  return pass(pass(image, width, cubic), height, cubic);
}

inline std::vector<int> spread(int span, int count) {
  std::vector<int> places{span / 2};
  for (int k = 0; count > 1 && k < count; k++) places.insert(places.begin() + k, (2 * k * span + count - 1) / (2 * (count - 1)));
  places.resize(count);
  return places;
}

// (top, left) of crops on a grid with so much room to move.
inline std::vector<std::pair<int, int>> places_of(int down, int right, int crops) {
  if (crops == 0 || (down == 0 && right == 0)) return {{0, 0}};
  if (crops == 5) return {{0, 0}, {0, right}, {down, 0}, {down, right}, {down / 2, right / 2}};
  const int lines = std::sqrt(crops);
  std::vector<std::pair<int, int>> places;
  int line = 0;
  for (int a : spread(std::min(down, right), lines)) {
    for (int b : spread(std::max(down, right), crops / lines + (line < crops % lines))) places.push_back(right >= down ? std::pair(a, b) : std::pair(b, a));
    line++;
  }
  return places;
}

// All views of an image, (V, 3, height, width) in [0,1].
struct Views {
  size_t count, height, width;
  std::vector<float> pixels;
};

inline Views views_of(Image image, const std::string& about) {
  const std::string resize = field(about, "resize"), way = field(about, "interpolation");
  const int crops = std::stoi(field(about, "crops"));
  if ((resize != "squash" && resize != "native") || (way != "bilinear" && way != "bicubic") || field(about, "crop_seed") != "null")
    throw std::runtime_error("this program squashes images or leaves them, bilinear or bicubic, with crops on a grid; the model does not");
  if (resize == "squash") {
    const auto size = size_of(about, "image_size");
    image = resized(image, size[0], size[1], way == "bicubic");
  }
  std::vector<int> size{image.height, image.width};
  if (crops) size = size_of(about, "crop_size");
  const double scale = std::max(double(size[1]) / image.width, double(size[0]) / image.height);
  if (scale > 1) {  // just enough for a crop to fit in
    auto larger = [&](int own, int least) { return std::max(least, int(std::nearbyint(own * scale))); };
    image = resized(image, larger(image.height, size[0]), larger(image.width, size[1]), way == "bicubic");
  }
  const auto places = places_of(image.height - size[0], image.width - size[1], crops);
  Views views{places.size(), size_t(size[0]), size_t(size[1]), {}};
  for (const auto& [top, left] : places)
    for (int c = 0; c < 3; c++)
      for (int y = 0; y < size[0]; y++)
        for (int x = 0; x < size[1]; x++) views.pixels.push_back(image.at(left + x, top + y)[c] / 255.0f);
  return views;
}

// A name as a cell of a csv.
inline std::string cell(const std::string& name) {
  if (name.find_first_of(",\"\r\n") == std::string::npos) return name;
  return '"' + std::regex_replace(name, std::regex("\""), "\"\"") + '"';
}

inline std::string heading(size_t bins) {
  std::string line = "path,score";
  for (size_t k = 1; k <= bins; k++) line += ",p" + std::to_string(k);
  return line;
}

// "score[,p1,...]" of outputs (V,) and (V, bins): the mean, or the views in the middle.
inline std::string pooled(const float* scores, const float* probs, size_t views, size_t bins, const std::string& about) {
  std::vector<size_t> order(views);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  if (field(about, "crop_pool") == "median") order = {order.begin() + (views - 1) / 2, order.begin() + views / 2 + 1};
  std::string row;
  for (size_t column = 0; column <= bins; column++) {
    double sum = 0;
    for (size_t view : order) sum += column ? probs[view * bins + column - 1] : scores[view];
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", sum / order.size());
    row += (column ? "," : "") + std::string(text);
  }
  return row;
}
