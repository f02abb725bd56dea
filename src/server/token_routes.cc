#include "server/token_routes.h"

#include "protocol/request_json.h"
#include "protocol/token_requests.h"
#include "server/chat.h"
#include "server/model_choice.h"
#include "server/prompt_input.h"
#include "text/text_beginning.h"

namespace quiver {
namespace {

HttpResponse tokenize(const ServerContext& context, const HttpRequest& request) {
  const TokenizeRequest asked = TokenizeRequest::parse(parse_request(request.body));
  const RoutedModel model = choose_model(context, asked.model);
  const Tokenizer& tokenizer = model.base().tokenizer();
  std::vector<std::int32_t> ids;
  if (const std::string* const text = std::get_if<std::string>(&asked.input)) {
    if (asked.add_special_tokens) {
      const std::span<const std::int32_t> before = model.text_beginning().before(*text);
      ids.assign(before.begin(), before.end());
    }
    const std::vector<std::int32_t> own = tokenizer.encode(*text).ids;
    ids.insert(ids.end(), own.begin(), own.end());
  } else {
    ids = encode_chat(context, std::get<ChatFields>(asked.input));
  }
  Json answer = {
      {"count", ids.size()}, {"max_model_len", model.base().shape().max_positions}, {"tokens", ids}};
  if (asked.answer == TokenizeRequest::Answer::kIdsAndTexts) {
    answer["token_strs"] = Json::array();
    for (const std::int32_t id : ids) answer["token_strs"].push_back(tokenizer.token_text(id));
  }
  return {.body = dump_json(answer)};
}

HttpResponse detokenize(const ServerContext& context, const HttpRequest& request) {
  const DetokenizeRequest asked = DetokenizeRequest::parse(parse_request(request.body));
  const RoutedModel model = choose_model(context, asked.model);
  check_ids(model.base(), asked.tokens, "tokens");
  return {.body = dump_json({{"prompt", model.base().tokenizer().decode(asked.tokens)}})};
}

}  // namespace

void add_token_routes(Routes& routes, ServerContext& context) {
  routes.add(whole_route("POST", "/tokenize",
                         [&](const HttpRequest& request) { return tokenize(context, request); }));
  routes.add(whole_route("POST", "/detokenize",
                         [&](const HttpRequest& request) { return detokenize(context, request); }));
}

}  // namespace quiver
