// Direct convolution by oneDNN, f32, on NHWC images. The images of a task are cut into pieces by
// the geometry alone, and each piece runs on one thread, so that any number of threads gives the
// same bits. oneDNN's primitives are made once per shape of a piece and kept; they want the filters
// in a layout of their own, which the workspace holds beside their scratchpads.

#include <omp.h>

#include <algorithm>
#include <array>
#include <dnnl.hpp>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kernels/common/divisor.h"
#include "kernels/conv2d/conv2d_cpu.h"
#include "kernels/conv2d/extents.h"
#include "kernels/conv2d/pieces.h"

namespace metatape::kernels {
namespace {

using dnnl::memory;
using std::int64_t;

/// Multiply-adds from which on the 5 us of a call, and for the weight gradient the partial sum, are
/// below a few percent of a piece.
constexpr int64_t kMinPieceMultiplyAdds = 1 << 21, kMinPartialMultiplyAdds = 1 << 22;

/// Elements of workspace are counted in cache lines.
constexpr int64_t kLine = 16;

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& stream() {
  thread_local dnnl::stream stream(cpu());
  return stream;
}

/// oneDNN asks OpenMP how many threads it may use, when it makes a primitive and when it runs it:
/// one, in the scope of this.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;

 private:
  int before_;
};

int64_t floats(const memory::desc& desc) {
  return ceil_div(int64_t(desc.get_size()), kLine * int64_t(sizeof(float))) * kLine;
}

/// A primitive for one map, and the reorder of its filters from KRSC or, of their gradient, to it.
struct Convolution {
  dnnl::primitive primitive;
  memory::desc x, y, filters, krsc, scratchpad;
  dnnl::reorder reorder;
};

template <class Descriptor>
memory::desc filters_of(const Descriptor& d) {
  if constexpr (requires { d.diff_weights_desc(); })
    if (const memory::desc gradient = d.diff_weights_desc(); gradient.get_size() > 0)
      return gradient;
  return d.weights_desc();
}

/// The primitive that `descriptor` stands for, unless oneDNN has only its reference code for it,
/// which is slower than patches, or a product of patches of its own.
template <class Primitive>
std::optional<Convolution> make(const typename Primitive::primitive_desc& descriptor,
                                const memory::desc& x, const memory::desc& y,
                                const memory::desc& krsc, bool is_gradient) {
  const std::string_view name = descriptor.impl_info_str();
  if (!name.starts_with("jit") && !name.starts_with("brg")) return std::nullopt;
  const memory::desc filters = filters_of(descriptor);
  const auto reorder = is_gradient ? dnnl::reorder::primitive_desc(cpu(), filters, cpu(), krsc)
                                   : dnnl::reorder::primitive_desc(cpu(), krsc, cpu(), filters);
  return Convolution{Primitive(descriptor), x, y, filters, krsc, descriptor.scratchpad_desc(),
                     dnnl::reorder(reorder)};
}

/// For `g.images` images of one task.
std::optional<Convolution> make(ConvMap map, const Conv2dGeometry& g) {
  using dnnl::algorithm;
  using Tag = memory::format_tag;
  constexpr auto kFloat = memory::data_type::f32;
  const memory::dims stride{g.stride, g.stride}, pad{g.pad, g.pad};
  const memory::dims filters{g.filters, g.channels, g.filter_height, g.filter_width};
  const memory::desc x({g.images, g.channels, g.height, g.width}, kFloat, Tag::nhwc);
  const memory::desc y({g.images, g.filters, g.out_height(), g.out_width()}, kFloat, Tag::nhwc);
  const memory::desc w(filters, kFloat, Tag::any), krsc(filters, kFloat, Tag::ohwi);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const OneThread one_thread;
  try {
    using Forward = dnnl::convolution_forward;
    const Forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, algorithm::convolution_direct, x, w, y, stride, pad,
         pad},
        attributes, cpu());
    if (map == ConvMap::forward) return make<Forward>(forward, x, y, krsc, false);
    if (map == ConvMap::input_grad) {
      using Data = dnnl::convolution_backward_data;
      const Data::primitive_desc data({algorithm::convolution_direct, x, w, y, stride, pad, pad},
                                      attributes, cpu(), forward);
      return make<Data>(data, x, y, krsc, false);
    }
    using Weights = dnnl::convolution_backward_weights;
    const Weights::primitive_desc weights(
        {algorithm::convolution_direct, x, w, y, stride, pad, pad}, attributes, cpu(), forward);
    return make<Weights>(weights, x, y, krsc, true);
  } catch (const dnnl::error&) {  // no implementation for this geometry
    return std::nullopt;
  }
}

/// The primitive for `images` images of one task of g, made at the first call and kept to the end
/// of the process; nullptr if there is none.
const Convolution* find(ConvMap map, Conv2dGeometry g, int64_t images) {
  using Key = std::array<int64_t, 10>;
  static std::mutex mutex;
  static auto& made = *new std::map<Key, std::optional<Convolution>>;  // outlives other statics
  g.images = images;
  const Key key{int64_t(map), g.images,        g.height,       g.width,  g.channels,
                g.filters,    g.filter_height, g.filter_width, g.stride, g.pad};
  const std::lock_guard lock(mutex);
  auto found = made.find(key);
  if (found == made.end()) found = made.emplace(key, make(map, g)).first;
  return found->second ? &*found->second : nullptr;
}

/// How the images of a task are cut: `count` pieces of `images`, the last of which has the rest,
/// and their primitives.
struct Pieces {
  int64_t images, count;
  const Convolution *whole, *rest;

  Pieces(ConvMap map, const Conv2dGeometry& g) {
    const int64_t least =
        map == ConvMap::weight_grad ? kMinPartialMultiplyAdds : kMinPieceMultiplyAdds;
    const int64_t by_work = ceil_div(least * g.tasks * g.images, multiply_adds(g));
    const int64_t by_count = ceil_div(g.tasks * g.images, kPieces);
    images = std::min(std::max(by_work, by_count), g.images);
    count = ceil_div(g.images, images);
    whole = find(map, g, images);
    rest = find(map, g, g.images - (count - 1) * images);
  }

  int64_t first(int64_t piece) const { return piece * images; }
  const Convolution& of(int64_t piece) const { return piece + 1 < count ? *whole : *rest; }
  int64_t scratchpad() const {
    return std::max(floats(whole->scratchpad), floats(rest->scratchpad));
  }
};

memory view(const memory::desc& desc, const float* data) {
  return memory(desc, cpu(), const_cast<float*>(data));  // oneDNN's interface has no const memory
}

int64_t x_image(const Conv2dGeometry& g) { return x_elements(g) / g.images; }
int64_t y_image(const Conv2dGeometry& g) { return y_elements(g) / g.images; }

/// The filters of each task that has its own, in oneDNN's layout, in the workspace.
class Filters {
 public:
  Filters(const Convolution& c, const Conv2dGeometry& g, const float* w, int64_t w_task_stride,
          float* workspace, const CpuContext& context)
      : is_shared_(w_task_stride == 0), views_(is_shared_ ? 1 : std::size_t(g.tasks)) {
    Conv2dGeometry own = g;
    own.tasks = int64_t(views_.size());
    for_each_piece(own, 1, context, [&](int64_t task, int64_t) {
      memory from = view(c.krsc, w + task * w_task_stride);
      memory& to = views_[std::size_t(task)];
      to = view(c.filters, workspace + task * floats(c.filters));
      c.reorder.execute(stream(), from, to);
    });
  }
  const memory& of(int64_t task) const { return views_[is_shared_ ? 0 : std::size_t(task)]; }

 private:
  bool is_shared_;
  std::vector<memory> views_;
};

using Arguments = std::unordered_map<int, memory>;

/// Forward and input gradient: images in, filters, images out. `images_of(convolution, task, first
/// image)` names the two blocks of images of a piece.
template <class Args, class ImagesOf>
void convolve_with_filters(ConvMap map, const Args& args, const CpuContext& context,
                           const ImagesOf& images_of) {
  const Conv2dGeometry& g = args.geometry;
  const Pieces pieces(map, g);
  const OneThread one_thread;
  const Filters filters(*pieces.whole, g, args.w, args.w_task_stride, args.workspace, context);
  float* const scratchpads = args.workspace + g.tasks * floats(pieces.whole->filters);

  for_each_piece(g, pieces.count, context, [&](int64_t task, int64_t piece) {
    const Convolution& c = pieces.of(piece);
    float* scratchpad = scratchpads + omp_get_thread_num() * pieces.scratchpad();
    Arguments arguments = images_of(c, task, pieces.first(piece));
    arguments.insert({DNNL_ARG_WEIGHTS, filters.of(task)});
    arguments.insert({DNNL_ARG_SCRATCHPAD, view(c.scratchpad, scratchpad)});
    c.primitive.execute(stream(), arguments);
  });
}

}  // namespace

bool onednn_supports(ConvMap map, const Conv2dGeometry& g) {
  if (multiply_adds(g) == 0) return false;
  const Pieces pieces(map, g);
  return pieces.whole && pieces.rest;
}

void conv2d_onednn(const Conv2dArgs<float>& args, const CpuContext& context) {
  const Conv2dGeometry& g = args.geometry;
  convolve_with_filters(
      ConvMap::forward, args, context, [&](const Convolution& c, int64_t task, int64_t image) {
        const float* x = args.x + task * args.x_task_stride + image * x_image(g);
        float* y = args.y + task * y_elements(g) + image * y_image(g);
        return Arguments{{DNNL_ARG_SRC, view(c.x, x)}, {DNNL_ARG_DST, view(c.y, y)}};
      });
}

void conv2d_onednn(const Conv2dInputGradArgs<float>& args, const CpuContext& context) {
  const Conv2dGeometry& g = args.geometry;
  convolve_with_filters(
      ConvMap::input_grad, args, context, [&](const Convolution& c, int64_t task, int64_t image) {
        const float* y_bar = args.y_bar + task * args.y_task_stride + image * y_image(g);
        float* x_bar = args.x_bar + task * x_elements(g) + image * x_image(g);
        return Arguments{{DNNL_ARG_DIFF_DST, view(c.y, y_bar)},
                         {DNNL_ARG_DIFF_SRC, view(c.x, x_bar)}};
      });
}

void conv2d_onednn(const Conv2dWeightGradArgs<float>& args, const CpuContext& context) {
  const Conv2dGeometry& g = args.geometry;
  const Pieces pieces(ConvMap::weight_grad, g);
  const OneThread one_thread;
  const int64_t size = floats(pieces.whole->filters);
  float* const scratchpads = args.workspace + g.tasks * pieces.count * size;
  auto partial = [&](int64_t task, int64_t piece) {
    return args.workspace + (task * pieces.count + piece) * size;
  };

  for_each_piece(g, pieces.count, context, [&](int64_t task, int64_t piece) {
    const Convolution& c = pieces.of(piece);
    const int64_t image = pieces.first(piece);
    const float* x = args.x + task * args.x_task_stride + image * x_image(g);
    const float* y_bar = args.y_bar + task * args.y_task_stride + image * y_image(g);
    float* scratchpad = scratchpads + omp_get_thread_num() * pieces.scratchpad();
    c.primitive.execute(stream(), {{DNNL_ARG_SRC, view(c.x, x)},
                                   {DNNL_ARG_DIFF_DST, view(c.y, y_bar)},
                                   {DNNL_ARG_DIFF_WEIGHTS, view(c.filters, partial(task, piece))},
                                   {DNNL_ARG_SCRATCHPAD, view(c.scratchpad, scratchpad)}});
  });

  const int64_t lines = size / kLine, slices = std::min(kPieces, lines);
  if (pieces.count > 1)
    for_each_piece(g, slices, context, [&](int64_t task, int64_t slice) {
      const int64_t begin = lines * slice / slices * kLine,
                    end = lines * (slice + 1) / slices * kLine;
      float* sum = partial(task, 0);
      for (int64_t piece = 1; piece < pieces.count; ++piece) {
        const float* term = partial(task, piece);
        for (int64_t i = begin; i < end; ++i) sum[i] += term[i];
      }
    });
  for_each_piece(g, 1, context, [&](int64_t task, int64_t) {
    memory from = view(pieces.whole->filters, partial(task, 0));
    memory to = view(pieces.whole->krsc, args.w_bar + task * filter_elements(g));
    pieces.whole->reorder.execute(stream(), from, to);
  });
}

int64_t conv2d_onednn_workspace(ConvMap map, const Conv2dGeometry& g, const CpuContext& context) {
  const Pieces pieces(map, g);
  const int64_t partial_sums = map == ConvMap::weight_grad ? pieces.count : 1;
  return g.tasks * partial_sums * floats(pieces.whole->filters) +
         context.threads * pieces.scratchpad();
}

}  // namespace metatape::kernels
