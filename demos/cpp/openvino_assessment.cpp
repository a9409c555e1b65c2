// Scores JPEGs with a file of `python main.py --export openvino` or `onnx`, by OpenVINO:
//   openvino_assessment openvino_resnet18.xml photo.jpg ...
#include <openvino/openvino.hpp>

#include "image.hpp"

static std::string about_of(const std::shared_ptr<ov::Model>& model) {
  for (const auto& path : {std::vector<std::string>{"about"}, std::vector<std::string>{"framework", "about"}})
    if (model->has_rt_info(path)) return model->get_rt_info<std::string>(path);
  throw std::runtime_error("is no export of the toolkit");
}

int main(int count, char** words) try {
  if (count < 3) throw std::runtime_error("usage: openvino_assessment MODEL photo.jpg ...");
  ov::Core core;
  const auto model = core.read_model(words[1]);
  const std::string about = about_of(model);
  if (model->input().get_element_type() == ov::element::u8)
    throw std::runtime_error("the model takes whole images, which this program does not: export without --whole");
  // By itself it computes in bfloat16 where the processor can.
  auto request = core.compile_model(model, "CPU", ov::hint::inference_precision(ov::element::f32)).create_infer_request();
  for (int i = 2; i < count; i++) {
    Views views = views_of(read_jpeg(words[i], about), about);
    request.set_input_tensor(ov::Tensor(ov::element::f32, {views.count, 3, views.height, views.width}, views.pixels.data()));
    request.infer();
    const bool histograms = model->outputs().size() > 1;
    const auto scores = request.get_output_tensor(0);
    const auto probs = histograms ? request.get_output_tensor(1) : ov::Tensor();
    const size_t bins = histograms ? probs.get_shape()[1] : 0;
    if (i == 2) std::cout << heading(bins) << "\n";
    std::cout << cell(words[i]) << "," << pooled(scores.data<const float>(), bins ? probs.data<const float>() : nullptr, views.count, bins, about) << std::endl;
  }
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << "\n";
  return 1;
}
