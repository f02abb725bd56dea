#include "model/rotary.h"

#include <cmath>
#include <numbers>

#include "tensor/file_problem.h"

namespace quiver {
namespace {

class RotaryReader {
 public:
  RotaryReader(const Json& settings, const Json& config, std::int64_t head_dim, const std::string& where)
      : settings_(settings), config_(config), where_(where) {
    theta_ = positive("rope_theta");
    const double partial = positive("partial_rotary_factor");
    dimensions_ = static_cast<std::int64_t>(static_cast<double>(head_dim) * partial);
    if (partial > 1 || dimensions_ < 2 || dimensions_ % 2 != 0) {
      fail("a rotary embedding of " + std::to_string(dimensions_) + " of a head's " +
           std::to_string(head_dim) + " dimensions is not possible");
    }
    // float32 all along, as the reference computes them.
    powers_ = at::pow(theta_, at::arange(0, dimensions_, 2, at::kFloat) / static_cast<double>(dimensions_));
  }

  RotaryEmbedding read(const std::string& type) const {
    if (type == "default") return {.frequencies = powers_.reciprocal(), .long_frequencies = {}};
    if (type == "linear") {
      return {.frequencies = powers_.reciprocal() / positive("factor"), .long_frequencies = {}};
    }
    if (type == "llama3") return read_llama3();
    if (type == "yarn") return read_yarn();
    if (type == "longrope") return read_longrope();
    throw Error(ErrorKind::kUnsupported, where_ + ": rope type '" + printable(type) + "' is not supported",
                "supported: default, linear, llama3, yarn, longrope");
  }

 private:
  // Low frequencies are divided by the factor, high ones stay, those between are interpolated.
  RotaryEmbedding read_llama3() const {
    const double factor = positive("factor"), low = positive("low_freq_factor"),
                 high = positive("high_freq_factor"), length = original_length();
    if (low >= high) fail("'low_freq_factor' is not below 'high_freq_factor'");
    const at::Tensor frequency = powers_.reciprocal();
    const at::Tensor wavelength = 2 * std::numbers::pi / frequency;
    const at::Tensor smooth = (length / wavelength - low) / (high - low);
    const at::Tensor between = (1 - smooth) * frequency / factor + smooth * frequency;
    const at::Tensor is_low = wavelength > length / low, is_high = wavelength < length / high;
    return {.frequencies = at::where(is_low, frequency / factor, at::where(is_high, frequency, between)),
            .long_frequencies = {}};
  }

  // Peng et al. 2023, section 3.2 (NTK-by-parts) and 3.3 (the magnitude).
  RotaryEmbedding read_yarn() const {
    const double length = original_length(), factor = number("factor", max_length() / length);
    const auto pair_of_rotations = [&](double rotations) {
      return static_cast<double>(dimensions_) * std::log(length / (rotations * 2 * std::numbers::pi)) /
             (2 * std::log(theta_));
    };
    double low = pair_of_rotations(number("beta_fast", 32)), high = pair_of_rotations(number("beta_slow", 1));
    if (json_value(settings_, "truncate", true, where_)) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, static_cast<double>(dimensions_ - 1));
    if (low == high) high += 0.001;
    const at::Tensor ramp = ((at::arange(dimensions_ / 2, at::kFloat) - low) / (high - low)).clamp(0, 1);
    const at::Tensor kept = 1 - ramp;
    const at::Tensor interpolated = (powers_ * factor).reciprocal();
    return {.frequencies = interpolated * (1 - kept) + powers_.reciprocal() * kept,
            .long_frequencies = {},
            .boundary = 0,
            .magnitude = yarn_magnitude(factor)};
  }

  double yarn_magnitude(double factor) const {
    const auto scaled = [&](double weight) { return factor <= 1 ? 1 : 0.1 * weight * std::log(factor) + 1; };
    const double scale = number("mscale", 0), scale_all = number("mscale_all_dim", 0);
    return number("attention_factor",
                  scale != 0 && scale_all != 0 ? scaled(scale) / scaled(scale_all) : scaled(1));
  }

  RotaryEmbedding read_longrope() const {
    const double length = original_length(), factor = number("factor", max_length() / length);
    const double magnitude = factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(length));
    return {.frequencies = (factors("short_factor") * powers_).reciprocal(),
            .long_frequencies = (factors("long_factor") * powers_).reciprocal(),
            .boundary = static_cast<std::int64_t>(length),
            .magnitude = number("attention_factor", magnitude)};
  }

  at::Tensor factors(const std::string& key) const {
    const auto values = json_require<std::vector<float>>(settings_, key, where_);
    if (static_cast<std::int64_t>(values.size()) != dimensions_ / 2) {
      fail("'" + key + "' has " + std::to_string(values.size()) + " numbers for " +
           std::to_string(dimensions_ / 2) + " rotated pairs");
    }
    for (const float value : values) {
      if (!(value > 0)) fail("'" + key + "' holds " + std::to_string(value));
    }
    return at::tensor(values);
  }

  double max_length() const { return json_require<double>(config_, "max_position_embeddings", where_); }

  double original_length() const {
    const std::string key = "original_max_position_embeddings";
    const double inner = json_value(settings_, key, max_length(), where_);
    const double length = json_value(config_, key, inner, where_);
    if (!(length >= 2 && length <= (1 << 24))) fail("'" + key + "' is " + std::to_string(length));
    return length;
  }

  double number(const std::string& key, double fallback) const {
    const double value = json_value(settings_, key, fallback, where_);
    if (!std::isfinite(value)) fail("'" + key + "' is not finite");
    return value;
  }

  double positive(const std::string& key) const {
    const auto value = json_require<double>(settings_, key, where_);
    if (!(value > 0) || !std::isfinite(value)) fail("'" + key + "' is " + std::to_string(value));
    return value;
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorKind::kCorruptFile, where_ + ": " + message);
  }

  const Json& settings_;
  const Json& config_;
  const std::string& where_;
  double theta_ = 0;
  std::int64_t dimensions_ = 0;  // of a head that turn
  at::Tensor powers_;            // (pairs): theta^(2i / dimensions)
};

}  // namespace

Json rope_settings(const Json& config, const std::string& where, double partial_factor) {
  Json settings = Json::object();
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const auto found = config.find(key);
    if (found != config.end() && found->is_object() && !found->empty()) settings = *found;
  }
  for (const auto& [key, value] : settings.items()) {
    if (!value.is_object()) continue;
    throw Error(ErrorKind::kUnsupported,
                where + ": rope settings of their own for " + in_quotes(key) + " are not supported");
  }
  if (!settings.contains("rope_type"))
    settings["rope_type"] = json_value<std::string>(settings, "type", "default", where);
  const std::pair<const char*, double> fallbacks[] = {{"rope_theta", 10000},
                                                      {"partial_rotary_factor", partial_factor}};
  for (const auto& [key, fallback] : fallbacks) {
    if (!settings.contains(key) || settings.at(key).is_null())
      settings[key] = json_value(config, key, fallback, where);
  }
  return settings;
}

RotaryEmbedding make_rotary(const Json& settings, const Json& config, std::int64_t head_dim,
                            const std::string& where) {
  const RotaryReader reader(settings, config, head_dim, where);
  return reader.read(json_value<std::string>(settings, "rope_type", "default", where));
}

}  // namespace quiver
