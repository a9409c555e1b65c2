// A JPEG as the toolkit reads it: upright, RGB; and a row of --predict.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include <jpeglib.h>

struct Image {
  int height, width;
  std::vector<uint8_t> rgb;  // height x width x 3
};

constexpr double MOST_PIXELS = 179'000'000;  // the default of --max_pixels

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

inline Image read_jpeg(const std::string& path) {
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
  if (double(info.image_width) * info.image_height > MOST_PIXELS) throw std::runtime_error(path + ": too many pixels");
  info.out_color_space = JCS_RGB;
  jpeg_start_decompress(&info);
  const int width = info.output_width, height = info.output_height;
  std::vector<uint8_t> stored(size_t(width) * height * 3);
  while (info.output_scanline < info.output_height) {
    uint8_t* row = &stored[size_t(info.output_scanline) * width * 3];
    jpeg_read_scanlines(&info, &row, 1);
  }
  if (errors.num_warnings) throw std::runtime_error(path + ": damaged");
  const int turn = orientation(info.marker_list);
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  std::fclose(file);
  const bool swap = turn >= 5 && turn <= 8, mirror = turn == 2 || turn == 3 || turn == 7 || turn == 8;
  const bool flip = turn == 3 || turn == 4 || turn == 6 || turn == 7;
  Image upright{swap ? width : height, swap ? height : width, {}};
  upright.rgb.reserve(stored.size());
  for (int y = 0; y < upright.height; y++)
    for (int x = 0; x < upright.width; x++) {
      const int across = swap ? y : x, down = swap ? x : y;
      const uint8_t* pixel = &stored[(size_t(flip ? height - 1 - down : down) * width + (mirror ? width - 1 - across : across)) * 3];
      upright.rgb.insert(upright.rgb.end(), pixel, pixel + 3);
    }
  return upright;
}

// A row as of --predict, without std; before the first one what stands in its columns.
inline void print_row(bool first, const std::string& name, float score, const float* shares, size_t bins) {
  if (first) std::cout << "path,score" << std::setprecision(9);
  for (size_t k = 1; first && k <= bins; k++) std::cout << ",p" << k;
  std::cout << (first ? "\n" : "") << std::quoted(name, '"', '"') << "," << score;
  for (size_t k = 0; k < bins; k++) std::cout << "," << shares[k];
  std::cout << std::endl;
}
