#include "server/embeddings.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <atomic>
#include <bit>
#include <boost/asio/post.hpp>

#include "protocol/answer_json.h"
#include "protocol/api_error.h"
#include "protocol/request_json.h"
#include "protocol/token_requests.h"
#include "server/model_choice.h"
#include "server/prompt_input.h"

namespace quiver {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers go out as they stand in memory");

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k)
      text += i + k > bytes.size() ? '=' : kDigits[bits >> (18 - 6 * k) & 63];
  }
  return text;
}

at::Tensor embedding(const RoutedModel& model, const std::vector<std::int32_t>& ids) {  // (hidden) float32
  const at::NoGradGuard no_gradients;
  RaggedBatch batch;
  batch.add(ids);
  const Binding binding = model.bind(ids);
  const at::Tensor mean =
      model.base().forward(batch, binding.adapter.get()).to(at::kFloat).mean(0).cpu().contiguous();
  if (!at::isfinite(mean).all().item<bool>())
    throw Error(ErrorKind::kNotFinite, "the embedding has numbers that are not finite");
  return mean;
}

Json shown(const at::Tensor& vector, EmbeddingRequest::Format format) {
  const float* const numbers = vector.const_data_ptr<float>();
  const auto size = static_cast<std::size_t>(vector.numel());
  if (format == EmbeddingRequest::Format::kNumbers) return std::vector<float>(numbers, numbers + size);
  return base64({reinterpret_cast<const char*>(numbers), size * sizeof(float)});
}

void answer_embeddings(ServerContext& context, const std::shared_ptr<HttpExchange>& exchange) {
  const EmbeddingRequest request = EmbeddingRequest::parse(parse_request(exchange->request().body));
  const RoutedModel model = choose_model(context, request.model);
  exchange->note("model", shown_model(context, request.model));
  std::vector<std::vector<std::int32_t>> inputs;
  std::size_t tokens = 0;
  for (const PromptField& input : request.inputs) {
    inputs.push_back(prompt_input(model, input, PromptReading::kAsItStands));
    check_length(model.base(), inputs.back().size(), 0, "input");
    tokens += inputs.back().size();
  }
  const auto is_gone = std::make_shared<std::atomic<bool>>(false);
  const auto deadline = deadline_of(context, exchange->request());
  exchange->on_gone([is_gone] { *is_gone = true; });
  exchange->note("prompt_tokens", std::to_string(tokens));
  boost::asio::post(context.embeddings, [=, &context, inputs = std::move(inputs), format = request.format,
                                         name = shown_model(context, request.model)] {
    try {
      Json data = Json::array();
      for (const std::vector<std::int32_t>& ids : inputs) {
        if (*is_gone) return;
        if (deadline && *deadline <= std::chrono::steady_clock::now()) throw timeout_error(context);
        data.push_back({{"object", "embedding"},
                        {"index", data.size()},
                        {"embedding", shown(embedding(model, ids), format)}});
      }
      exchange->respond(
          {.body = dump_json({{"object", "list"},
                              {"data", std::move(data)},
                              {"model", name},
                              {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}})});
    } catch (const std::exception& error) {
      exchange->respond(to_response(api_error_of(error)));
    }
  });
}

}  // namespace

void add_embedding_route(Routes& routes, ServerContext& context) {
  routes.add({"POST", "/v1/embeddings", [&context](const std::shared_ptr<HttpExchange>& exchange) {
                answer_embeddings(context, exchange);
              }});
}

}  // namespace quiver
