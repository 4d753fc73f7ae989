// Fused attention, each query row by itself: scores, mask, softmax, weighted sum of the values.
#include "elementwise.h"

using namespace software_npu;  // the C interface below names most of it

namespace {

// A tensor of any layout as batch, head, place, width.
View arranged(View view, const std::string& layout, int64_t heads) {
  std::string axes = layout;
  if (const auto joined = axes.find('H'); joined != std::string::npos) {  // heads and width in one dimension
    const int64_t width = view.dims[joined] / heads;
    view.dims[joined] = heads;
    view.dims.insert(view.dims.begin() + static_cast<int64_t>(joined) + 1, width);
    const int64_t stride = view.strides[joined];
    view.strides[joined] = stride * width;
    view.strides.insert(view.strides.begin() + static_cast<int64_t>(joined) + 1, stride);
    axes.replace(joined, 1, "ND");
  }
  View seen = view;
  constexpr const char* kOrder = "BNSD";
  for (size_t axis = 0; axis < 4; ++axis) {
    const auto from = axes.find(kOrder[axis]);
    if (from == std::string::npos || view.dims.size() != 4) {
      throw Refused("the layout " + layout);
    }
    seen.dims[axis] = view.dims[from];
    seen.strides[axis] = view.strides[from];
  }
  return seen;
}

struct Attention {
  View query, key, value, out;
  bool masked = false;
  View mask;  // true where a key is not looked at
  double scale = 1;
  int64_t sparse_mode = 0;
};

// A mask of two, three or four dimensions seen as batch, head, query, key.
View spread_mask(View mask, const Dims& dims) {
  while (mask.dims.size() < 4) {
    mask.dims.insert(mask.dims.begin(), 1);
    mask.strides.insert(mask.strides.begin(), 0);
  }
  return expand(mask, dims);
}

constexpr int64_t kNoMask = 0, kAllMask = 1, kLeftUpCausal = 2, kRightDownCausal = 3;

bool hidden(const Attention& attention, int64_t query, int64_t key, int64_t queries, int64_t keys,
            const std::vector<int64_t>& mask_row) {
  switch (attention.sparse_mode) {
    case kLeftUpCausal:
      return key > query;
    case kRightDownCausal:
      return key > query + keys - queries;
    default:
      return attention.masked && mask_row[static_cast<size_t>(key)] != 0;
  }
}

// softmax(scale * q k^T) v for one query; `weights` holds the scores and then the weights.
void attend(const std::vector<double>& query, const std::vector<double>& keys, const std::vector<double>& values,
            const std::vector<char>& blind, double scale, std::vector<double>& weights, std::vector<double>& result) {
  const size_t width = query.size();
  const size_t depth = result.size();
  double most = -std::numeric_limits<double>::infinity();
  for (size_t key = 0; key < weights.size(); ++key) {
    double score = 0;
    for (size_t index = 0; index < width; ++index) {
      score += query[index] * keys[key * width + index];
    }
    weights[key] = blind[key] != 0 ? -std::numeric_limits<double>::infinity() : score * scale;
    most = std::max(most, weights[key]);
  }
  double sum = 0;
  for (double& weight : weights) {
    weight = std::isinf(most) ? 0 : std::exp(weight - most);
    sum += weight;
  }
  std::fill(result.begin(), result.end(), 0);
  for (size_t key = 0; key < weights.size() && sum > 0; ++key) {
    for (size_t index = 0; index < depth; ++index) {
      result[index] += weights[key] / sum * values[key * depth + index];
    }
  }
}

View head_of(const View& view, int64_t batch, int64_t head) {
  View part{view.data, view.type, {view.dims[2], view.dims[3]}, {view.strides[2], view.strides[3]}};
  const int64_t offset = batch * view.strides[0] + head * view.strides[1];
  part.data += offset * static_cast<int64_t>(size_of(view.type));
  return part;
}

// One head of one batch.
void run_head(const Attention& attention, int64_t batch, int64_t head) {
  const int64_t heads = attention.query.dims[1], queries = attention.query.dims[2], keys = attention.key.dims[2];
  const int64_t shared = heads / attention.key.dims[1];  // query heads that share one key head
  const int device = working_device();
  const double scale = fault("attention-scale-wrong", device) ? attention.scale * 2 : attention.scale;
  const bool sees_all = fault("attention-ignores-mask", device);
  const auto key = all<double>(head_of(attention.key, batch, head / shared));
  const auto value = all<double>(head_of(attention.value, batch, head / shared));
  const View from = head_of(attention.query, batch, head);
  const View to = head_of(attention.out, batch, head);
  std::vector<double> weights(static_cast<size_t>(keys));
  std::vector<int64_t> mask_row(static_cast<size_t>(keys));
  std::vector<char> blind(static_cast<size_t>(keys));
  std::vector<double> query(static_cast<size_t>(from.dims[1])), result(static_cast<size_t>(to.dims[1]));
  for (int64_t row = 0; row < queries; ++row) {
    read<double>(from, row * from.dims[1], from.dims[1], query.data());
    if (attention.masked) {
      read<int64_t>(attention.mask, ((batch * heads + head) * queries + row) * keys, keys, mask_row.data());
    }
    for (int64_t at = 0; at < keys; ++at) {
      blind[static_cast<size_t>(at)] = !sees_all && hidden(attention, row, at, queries, keys, mask_row);
    }
    attend(query, key, value, blind, scale, weights, result);
    if (fault("attention-nan", device) && row == queries / 2) {
      result[0] = std::numeric_limits<double>::quiet_NaN();
    }
    write<double>(to, row * to.dims[1], to.dims[1], result.data());
  }
}

int run(const Attention& attention) {
  for (int64_t batch = 0; batch < attention.query.dims[0]; ++batch) {
    for (int64_t head = 0; head < attention.query.dims[1]; ++head) {
      run_head(attention, batch, head);
    }
  }
  return kSuccess;
}

Task fused(const aclTensor* query, const aclTensor* key, const aclTensor* value, const aclTensor* bias,
           const aclTensor* drop_mask, const aclTensor* mask, double scale, int64_t heads, const char* layout,
           int64_t sparse_mode, const aclTensor* out) {
  if (bias != nullptr || drop_mask != nullptr) {
    throw Refused("a position bias and dropout");
  }
  if (sparse_mode < kNoMask || sparse_mode > kRightDownCausal) {
    throw Refused("sparse mode " + std::to_string(sparse_mode));
  }
  const std::string axes = layout;
  Attention made;
  made.query = arranged(of(query), axes, heads);
  const View plain = of(key);
  const auto joined = axes.find('H');
  const int64_t width = made.query.dims[3];
  const int64_t key_heads = joined == std::string::npos ? 0 : plain.dims[joined] / width;
  made.key = arranged(plain, axes, key_heads);
  made.value = arranged(of(value), axes, key_heads);
  made.out = arranged(of(out), axes, heads);
  made.scale = scale;
  made.sparse_mode = sparse_mode;
  made.masked = mask != nullptr && sparse_mode <= kAllMask;
  if (made.masked) {
    made.mask = spread_mask(of(mask), {made.query.dims[0], heads, made.query.dims[2], made.key.dims[2]});
  }
  return [made] { return run(made); };
}

}  // namespace

ACLNN(aclnnFlashAttentionScore, const aclTensor* query, const aclTensor* key, const aclTensor* value,
      const aclTensor* bias, const aclTensor* drop_mask, const aclTensor*, const aclTensor* mask, const aclIntArray*,
      double scale, double, int64_t, int64_t, int64_t heads, char* layout, int64_t, int64_t sparse_mode,
      const aclTensor*, const aclTensor*, const aclTensor*, const aclTensor* out) {
  return prepare(__func__, workspace, executor, [&] {
    return fused(query, key, value, bias, drop_mask, mask, scale, heads, layout, sparse_mode, out);
  });
}
