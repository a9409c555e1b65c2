// Scores JPEGs with a file of `python main.py --jit`, by libtorch; such a file is a program: use only
// one that you trust:
//   torch_assessment jit_resnet18.pt photo.jpg ...
#include <torch/script.h>

#include "image.hpp"

int main(int count, char** words) try {
  if (count < 3) throw std::runtime_error("usage: torch_assessment MODEL photo.jpg ...");
  const auto network = torch::jit::load(words[1], torch::kCPU);
  const auto score_image = network.find_method("score_image");
  if (!score_image) throw std::runtime_error("the model takes pixels, not images: export it again, without --crop_seed");
  const c10::InferenceMode only_forward;
  for (int i = 2; i < count; i++) {
    Image image = read_jpeg(words[i]);
    const auto found = (*score_image)({torch::from_blob(image.rgb.data(), {image.height, image.width, 3}, torch::kUInt8)});
    const bool histograms = found.isTuple();
    const auto score = histograms ? found.toTuple()->elements()[0].toTensor() : found.toTensor();
    const auto shares = histograms ? found.toTuple()->elements()[1].toTensor().contiguous() : score;
    print_row(i == 2, words[i], score.item<float>(), shares.data_ptr<float>(), histograms ? shares.numel() : 0);
  }
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << "\n";
  return 1;
}
