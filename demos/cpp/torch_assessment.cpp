// Scores JPEGs with a file of `python main.py --jit`, by libtorch; such a file is a program: use only
// one that you trust:
//   torch_assessment jit_resnet18.pt photo.jpg ...
#include <torch/script.h>

#include "image.hpp"

int main(int count, char** words) try {
  if (count < 3) throw std::runtime_error("usage: torch_assessment MODEL photo.jpg ...");
  torch::jit::ExtraFilesMap inside{{"about.json", ""}};
  auto network = torch::jit::load(words[1], torch::kCPU, inside);
  const std::string about = inside["about.json"];
  const c10::InferenceMode only_forward;
  for (int i = 2; i < count; i++) {
    Views views = views_of(read_jpeg(words[i], about), about);
    const auto pixels = torch::from_blob(views.pixels.data(), {int64_t(views.count), 3, int64_t(views.height), int64_t(views.width)});
    const auto found = network.forward({pixels});
    const bool histograms = found.isTuple();
    const auto scores = (histograms ? found.toTuple()->elements()[0].toTensor() : found.toTensor()).contiguous();
    const auto probs = histograms ? found.toTuple()->elements()[1].toTensor().contiguous() : scores;
    const size_t bins = histograms ? probs.size(1) : 0;
    if (i == 2) std::cout << heading(bins) << "\n";
    std::cout << cell(words[i]) << "," << pooled(scores.data_ptr<float>(), probs.data_ptr<float>(), views.count, bins, about) << std::endl;
  }
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << "\n";
  return 1;
}
