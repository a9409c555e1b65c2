// Scores JPEGs with a file of `python main.py --export openvino --whole` or `onnx`, by OpenVINO:
//   openvino_assessment openvino_resnet18_whole.xml photo.jpg ...
#include <openvino/openvino.hpp>

#include "image.hpp"

int main(int count, char** words) try {
  if (count < 3) throw std::runtime_error("usage: openvino_assessment MODEL photo.jpg ...");
  // By itself it computes in bfloat16 where the processor can.
  auto model = ov::Core().compile_model(words[1], "CPU", ov::hint::inference_precision(ov::element::f32));
  if (model.input().get_element_type() != ov::element::u8)
    throw std::runtime_error("the model takes pixels, not images: export it with --whole");
  auto request = model.create_infer_request();
  const bool histograms = model.outputs().size() > 1;
  for (int i = 2; i < count; i++) {
    Image image = read_jpeg(words[i]);
    request.set_input_tensor(ov::Tensor(ov::element::u8, {size_t(image.height), size_t(image.width), 3}, image.rgb.data()));
    request.infer();
    const auto score = request.get_output_tensor(0), shares = request.get_output_tensor(histograms);
    print_row(i == 2, words[i], *score.data<const float>(), shares.data<const float>(), histograms ? shares.get_size() : 0);
  }
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << "\n";
  return 1;
}
