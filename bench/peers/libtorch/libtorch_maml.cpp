// The MAML meta-step, exact second order, in LibTorch: eager, tasks in a loop, as a user writes it.
//
// libtorch_maml key=value...   with the keys of struct Options; libtorch_maml.py calls it.
// Reads one file of tensors as libtorch_maml.py writes them, compares with the losses and the
// meta-gradient in it, and only then times. Prints "key value" lines; exit code 3: it disagrees.
// With iterations=on_request it says "ready" and takes a step for each line of standard input.
#include <sys/resource.h>
#include <torch/torch.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>
#ifdef MT_PEER_CUDA
#include <c10/cuda/CUDACachingAllocator.h>
#endif

namespace {

using torch::Tensor;
using Tensors = std::map<std::string, Tensor>;
constexpr int kDisagrees = 3;
constexpr int kWarmUpSteps = 3, kLeastIterations = 5;

struct Options {
  std::map<std::string, std::string> values;

  Options(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      const std::string argument = argv[i];
      const std::size_t at = argument.find('=');
      TORCH_CHECK(at != std::string::npos, "'", argument, "' is not key=value");
      values[argument.substr(0, at)] = argument.substr(at + 1);
    }
  }
  std::string text(const std::string& key) const { return values.at(key); }
  double number(const std::string& key) const { return std::stod(values.at(key)); }
};

struct Settings {
  bool resnet12, strided;
  int64_t inner_steps;
  double inner_lr, epsilon;
};

double now_ms() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(since).count();
}

/// Lines "name type dimensions extents... offset" in `file`.index, values in `file`.
Tensors read_tensors(const std::string& file) {
  std::ifstream index(file + ".index"), data(file, std::ios::binary);
  TORCH_CHECK(index && data, file, " cannot be read");
  Tensors tensors;
  std::string name, type;
  for (std::size_t dimensions; index >> name >> type >> dimensions;) {
    std::vector<int64_t> extents(dimensions);
    for (int64_t& extent : extents) index >> extent;
    std::streamoff offset = 0;
    index >> offset;
    Tensor t = torch::empty(extents, type == "f64" ? torch::kFloat64 : torch::kInt64);
    data.seekg(offset);
    data.read(static_cast<char*>(t.data_ptr()), std::streamsize(t.nbytes()));
    TORCH_CHECK(index && data, file, " ends within ", name);
    tensors[name] = t;
  }
  return tensors;
}

/// Those whose name begins with `prefix`, without it.
Tensors group(const Tensors& all, const std::string& prefix) {
  Tensors found;
  for (const auto& [name, t] : all)
    if (name.rfind(prefix, 0) == 0) found[name.substr(prefix.size())] = t;
  return found;
}

Tensor batch_norm(const Tensors& p, const std::string& name, const Tensor& x, double epsilon) {
  return torch::batch_norm(x, p.at(name + ".weight"), p.at(name + ".bias"), {}, {}, true, 0.1,
                           epsilon, true);
}

Tensor head(const Tensors& p, const Tensor& x) {
  return torch::linear(x, p.at("head.weight"), p.at("head.bias"));
}

Tensor conv4(const Tensors& p, Tensor x, const Settings& s) {
  for (int i = 1; i <= 4; ++i) {
    const std::string n = std::to_string(i);
    x = torch::conv2d(x, p.at("conv" + n + ".weight"), {}, s.strided ? 2 : 1, 1);
    x = torch::relu(batch_norm(p, "bn" + n, x, s.epsilon));
    if (!s.strided) x = torch::max_pool2d(x, 2);
  }
  return head(p, s.strided ? x.mean({2, 3}) : x.flatten(1));
}

Tensor resnet12(const Tensors& p, Tensor x, const Settings& s) {
  for (int b = 1; b <= 4; ++b) {
    const std::string block = "block" + std::to_string(b) + ".";
    const Tensor shortcut =
        batch_norm(p, block + "shortcut_bn", torch::conv2d(x, p.at(block + "shortcut_conv.weight")),
                   s.epsilon);
    for (int i = 1; i <= 3; ++i) {
      const std::string n = std::to_string(i);
      x = torch::conv2d(x, p.at(block + "conv" + n + ".weight"), {}, 1, 1);
      x = batch_norm(p, block + "bn" + n, x, s.epsilon);
      x = torch::leaky_relu(i == 3 ? x + shortcut : x, 0.1);
    }
    x = torch::max_pool2d(x, 2);
  }
  return head(p, x.mean({2, 3}));
}

Tensor loss(const Tensors& p, const Tensor& x, const Tensor& y, const Settings& s) {
  return torch::cross_entropy_loss(s.resnet12 ? resnet12(p, x, s) : conv4(p, x, s), y);
}

std::vector<Tensor> values_of(const Tensors& tensors) {
  std::vector<Tensor> values;
  for (const auto& entry : tensors) values.push_back(entry.second);
  return values;
}

struct Result {
  Tensor loss;                    // [T]
  std::vector<Tensor> meta_grad;  // mean over the tasks, in the order of theta
};

/// One meta-step; the leaves of `theta` require a gradient.
Result meta_step(const Tensors& theta, const Tensors& episode, const Settings& s) {
  const std::vector<Tensor> leaves = values_of(theta);
  const Tensor support_x = episode.at("support_x"), support_y = episode.at("support_y");
  const Tensor query_x = episode.at("query_x"), query_y = episode.at("query_y");
  const int64_t tasks = support_x.size(0);
  Result result;
  std::vector<Tensor> losses;
  for (int64_t t = 0; t < tasks; ++t) {
    Tensors phi = theta;
    for (int64_t step = 0; step < s.inner_steps; ++step) {
      const std::vector<Tensor> slope =
          torch::autograd::grad({loss(phi, support_x[t], support_y[t], s)}, values_of(phi), {},
                                /*retain_graph=*/true, /*create_graph=*/true);
      auto g = slope.begin();
      for (auto& entry : phi) entry.second = entry.second - s.inner_lr * *g++;
    }
    const Tensor value = loss(phi, query_x[t], query_y[t], s);
    const std::vector<Tensor> slope = torch::autograd::grad({value}, leaves);
    losses.push_back(value.detach());
    if (result.meta_grad.empty())
      result.meta_grad = slope;
    else
      for (std::size_t i = 0; i < slope.size(); ++i) result.meta_grad[i] += slope[i];
  }
  for (Tensor& g : result.meta_grad) g /= double(tasks);
  result.loss = torch::stack(losses);
  return result;
}

double relative(const Tensor& found, const Tensor& reference) {
  const Tensor difference = found.cpu().to(torch::kFloat64) - reference;
  return difference.abs().max().item<double>() / reference.abs().max().item<double>();
}

/// Prints how far the result is from the reference; whether it is near enough.
bool agrees(const Result& result, const Tensors& theta, const Tensors& all, const Options& o) {
  double error = 0, norm = 0, largest = 0;
  std::size_t i = 0;
  for (const auto& entry : theta) {
    const Tensor reference = all.at("meta_grad/" + entry.first);
    const Tensor found = result.meta_grad[i++].cpu().to(torch::kFloat64);
    error += (found - reference).square().sum().item<double>();
    norm += reference.square().sum().item<double>();
    const double difference = relative(found, reference);
    if (!(difference <= largest)) largest = difference;
  }
  const double loss_difference = relative(result.loss, all.at("loss"));
  std::printf("loss_max_relative %.17g\nmeta_grad_nmse %.17g\nmeta_grad_max_relative %.17g\n",
              loss_difference, error / norm, largest);
  return error / norm <= o.number("nmse") && largest <= o.number("relative") &&
         loss_difference <= o.number("loss");
}

void synchronize(const torch::Device& device) {
  if (device.is_cuda()) torch::cuda::synchronize();
}

/// From here on; the first step also tries the algorithms of cuDNN and their workspaces.
void reset_peak_memory(const torch::Device& device) {
#ifdef MT_PEER_CUDA
  if (device.is_cuda()) c10::cuda::CUDACachingAllocator::resetPeakStats(0);
#endif
  (void)device;
}

int64_t peak_memory(const torch::Device& device) {
#ifdef MT_PEER_CUDA
  if (device.is_cuda())
    return c10::cuda::CUDACachingAllocator::getDeviceStats(0).allocated_bytes[0].peak;
#endif
  (void)device;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t(usage.ru_maxrss) * 1024;
}

template <class TimedStep>
void serve(const TimedStep& timed_step) {
  std::printf("ready\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::printf("step_ms %.6f\n", timed_step());
    std::fflush(stdout);
  }
}

int run(const Options& o) {
  const torch::Device device(o.text("device"));
  const Settings settings{o.text("network") == "resnet12", o.text("pool") == "stride",
                          int64_t(o.number("inner_steps")), o.number("inner_lr"),
                          o.number("epsilon")};
  at::globalContext().setBenchmarkCuDNN(true);
  if (o.text("precision") == "strict") {
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setAllowTF32CuBLAS(false);
  }
  const auto dtype = o.text("precision") == "f64" ? torch::kFloat64 : torch::kFloat32;
  Tensors all = read_tensors(o.text("file"));
  Tensors theta = group(all, "theta/"), episode;
  for (auto& entry : theta) entry.second = entry.second.to(device, dtype).requires_grad_();
  for (const char* name : {"support_x", "query_x"}) episode[name] = all.at(name).to(device, dtype);
  for (const char* name : {"support_y", "query_y"}) episode[name] = all.at(name).to(device);
  for (const char* name : {"support_x", "query_x"}) all.erase(name);

  double begin = now_ms();
  const Result result = meta_step(theta, episode, settings);
  synchronize(device);
  std::printf("threads %d\nprepare_s %.6f\n", torch::get_num_threads(), (now_ms() - begin) / 1e3);
  const bool agreed = agrees(result, theta, all, o);
  std::fflush(stdout);
  if (!agreed) return kDisagrees;
  const auto timed_step = [&] {
    const double before = now_ms();
    meta_step(theta, episode, settings);
    synchronize(device);
    return now_ms() - before;
  };
  if (o.text("iterations") == "on_request") {
    serve(timed_step);
    return 0;
  }
  const int iterations = int(o.number("iterations"));
  if (iterations == 0) return 0;
  reset_peak_memory(device);
  begin = now_ms();
  for (int i = 0; i < kWarmUpSteps; ++i) timed_step();
  std::printf("warm_up_s %.6f\n", (now_ms() - begin) / 1e3);
  begin = now_ms();
  for (int i = 0; i < std::max(iterations, kLeastIterations); ++i) {
    std::printf("step_ms %.6f\n", timed_step());
    std::fflush(stdout);
    if (now_ms() - begin > 1e3 * o.number("seconds") && i + 1 >= kLeastIterations) break;
  }
  std::printf("peak_memory_bytes %lld\n", static_cast<long long>(peak_memory(device)));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(Options(argc, argv));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "libtorch_maml: %s\n", e.what());
    return 1;
  }
}
