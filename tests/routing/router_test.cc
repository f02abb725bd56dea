#include "quiver/router.h"

#include <cmath>
#include <limits>

#include "core/json.h"
#include "routing/routers/router_method.h"
#include "support/test_support.h"

namespace quiver {
namespace {

using test::error_message;

TEST(ParseRouter, GivesTheDefaultsOfTheReference) {
  EXPECT_EQ(parse_router("uniform").combine, Combine::kParameter);
  EXPECT_EQ(parse_router("arrow").combine, Combine::kParameter);
  EXPECT_EQ(parse_router("arrow").top_k, 0);
  EXPECT_EQ(parse_router("phatgoose").combine, Combine::kOutput);
  EXPECT_EQ(parse_router("phatgoose").top_k, 2);
  EXPECT_EQ(parse_router("phatgoose").temperature, 0);
  EXPECT_EQ(parse_router("expert:a:b").router, "expert");
  EXPECT_EQ(parse_router("expert:a:b").expert, "a:b");
}

TEST(ParseRouter, GivesTheDefaultsOfOtherImplementations) {
  EXPECT_EQ(parse_router("arrow", Compat::kMttl).combine, Combine::kParameter);
  EXPECT_EQ(parse_router("arrow", Compat::kMttl).top_k, 0);
  EXPECT_EQ(parse_router("arrow", Compat::kPeft).combine, Combine::kOutput);
  EXPECT_EQ(parse_router("arrow", Compat::kPeft).top_k, 3);
  EXPECT_EQ(parse_router("arrow", Compat::kPhatgoose).combine, Combine::kOutput);
  EXPECT_EQ(parse_router("arrow", Compat::kPhatgoose).top_k, 2);
  EXPECT_EQ(parse_router("phatgoose", Compat::kPhatgoose).top_k, 2);
  EXPECT_EQ(parse_router("oracle", Compat::kPhatgoose).top_k, 0);  // 2 would refuse a library of one expert
  EXPECT_EQ(error_message([] { parse_router("uniform", Compat::kPeft); }),
            "peft has no router 'uniform' | leave out --compat for this router");
  EXPECT_NE(error_message([] { parse_router("phatgoose", Compat::kPeft); }), "");
  EXPECT_EQ(parse_compat("mttl"), Compat::kMttl);
  EXPECT_EQ(error_message([] { parse_compat("MTTL"); }),
            "unknown compat 'MTTL' | it is none, mttl, peft, phatgoose");
}

TEST(RouterArtefacts, AreNoneWhereWeightsSayEnough) {
  EXPECT_TRUE(router_artefacts(parse_router("spectral")).empty());
  EXPECT_EQ(router_artefacts(parse_router("arrow")), std::vector<std::string>{"arrow"});
  RouterOptions scaled = parse_router("arrow");
  set_router_setting(scaled, "scale", "yes");
  EXPECT_TRUE(router_artefacts(scaled).empty());
}

TEST(ParseRouter, NamesComeBack) {
  for (const std::string name : {"base", "oracle", "uniform", "arrow", "phatgoose", "expert:wiki"}) {
    EXPECT_EQ(router_name(parse_router(name)), name);
  }
}

TEST(ParseRouter, RefusesOtherNames) {
  EXPECT_EQ(
      error_message([] { parse_router("arow"); }),
      "unknown router 'arow'; routers are " + std::string(router_names_text()) + " | did you mean 'arrow'?");
  EXPECT_EQ(error_message([] { parse_router("expert:"); }),
            "router 'expert:' names no expert | write expert:NAME");
  EXPECT_NE(error_message([] { parse_router(""); }).find("unknown router ''"), std::string::npos);
  EXPECT_NE(error_message([] { parse_router("Arrow"); }).find("'arrow'"), std::string::npos);
}

TEST(RouterMethods, DivideTheirLogitsAsTheImplementationDoes) {
  const auto divisor = [](const RouterOptions& options) {
    return router_method(options.router).rule(options, 64).temperature;
  };
  EXPECT_EQ(divisor(parse_router("arrow")), 1);
  EXPECT_EQ(divisor(parse_router("phatgoose")), 8);
  EXPECT_EQ(divisor(parse_router("arrow", Compat::kPhatgoose)), 80);
  EXPECT_EQ(divisor(parse_router("phatgoose", Compat::kPhatgoose)), 8);
  RouterOptions warmer = parse_router("phatgoose");
  warmer.temperature = 3;
  EXPECT_EQ(divisor(warmer), 3);
}

TEST(RouterJson, ComesBack) {
  RouterOptions options = parse_router("phatgoose");
  options.top_k = 3;
  options.temperature = 0.5;
  options.combine = Combine::kParameter;
  options.default_expert = "general";
  const Json object = to_json(options);
  EXPECT_EQ(
      dump_json(object),
      R"({"combine":"parameter","default_expert":"general","router":"phatgoose","temperature":0.5,"top_k":3})");
  EXPECT_EQ(to_json(router_options_from_json(object, "file")), object);
}

TEST(RouterJson, KeepsTheCompat) {
  const Json object = to_json(parse_router("arrow", Compat::kPeft));
  EXPECT_EQ(dump_json(object), R"({"combine":"output","compat":"peft","router":"arrow","top_k":3})");
  EXPECT_EQ(router_options_from_json(object, "file").compat, Compat::kPeft);
  EXPECT_EQ(router_options_from_json(Json{{"router", "arrow"}, {"compat", "peft"}}, "file").top_k, 3);
}

TEST(RouterJson, AbsentKeysTakeTheRoutersDefaults) {
  EXPECT_EQ(router_options_from_json(Json{{"router", "phatgoose"}}, "file").top_k, 2);
  EXPECT_EQ(router_options_from_json(Json{{"router", "arrow"}}, "file").combine, Combine::kParameter);
  EXPECT_EQ(router_options_from_json(Json{{"router", "phatgoose"}, {"top_k", 0}}, "file").top_k, 0);
}

TEST(RouterJson, RefusesWhatItDoesNotKnow) {
  const auto message = [](const char* text) {
    return error_message([&] { router_options_from_json(parse_json(text, "file"), "file"); });
  };
  EXPECT_EQ(message(R"({"router": "oracle", "topk": 2})"),
            "file: unknown key 'topk'; keys are router, top_k, combine, temperature, default_expert, "
            "compat, bos | "
            "did you mean 'top_k'?");
  EXPECT_EQ(message(R"(["arrow"])"), "file: a router is an object, not array");
  EXPECT_EQ(message(R"({})"), "file: 'router' is missing");
  EXPECT_EQ(message(R"({"router": 3})"), "file: 'router' has the wrong type: 3");
  EXPECT_EQ(message(R"({"router": "arrow", "top_k": 2.5})"), "file: 'top_k' must be a whole number, not 2.5");
  EXPECT_EQ(message(R"({"router": "arrow", "top_k": 18446744073709551615})"),
            "file: 'top_k' must be a whole number, not 18446744073709551615");
  EXPECT_EQ(message(R"({"router": "arrow", "combine": "both"})"),
            "unknown combine 'both'; it is output or parameter");
  EXPECT_EQ(message(R"({"router": "arrow", "temperature": 0})"),
            "temperature 0 is not a finite number above 0 | leave it out for the router's own: 1 for arrow, "
            "sqrt(d) for phatgoose");
  EXPECT_NE(message(R"({"router": "arrow", "temperature": -1})").find("temperature -1"), std::string::npos);
}

TEST(Validate, ChecksTheNumberOfExperts) {
  RouterOptions options = parse_router("arrow");
  options.top_k = 3;
  EXPECT_NO_THROW(validate(options, 3));
  EXPECT_EQ(error_message([&] { validate(options, 2); }),
            "top_k 3 of router 'arrow' is above the number of experts, 2 | use a smaller top_k, or 0 for all "
            "experts");
  EXPECT_NE(error_message([] { validate(parse_router("uniform"), 0); }).find("no experts"),
            std::string::npos);
  EXPECT_NO_THROW(validate(parse_router("base"), 0));
}

TEST(Validate, ChecksTheTemperature) {
  for (const double bad : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    RouterOptions options = parse_router("arrow");
    options.temperature = bad;
    EXPECT_NE(error_message([&] { validate(options, 2); }).find("is not a finite number above 0"),
              std::string::npos)
        << bad;
  }
}

TEST(Validate, ChecksExpertNames) {
  const std::vector<std::string> names = {"wiki_hop", "winogrande"};
  RouterOptions options = parse_router("oracle");
  options.default_expert = "wiki_hob";
  EXPECT_EQ(error_message([&] { validate(options, names); }),
            "default expert 'wiki_hob' is not among the experts | did you mean 'wiki_hop'?");
  EXPECT_EQ(error_message([&] { validate(parse_router("expert:winogrand"), names); }),
            "expert 'winogrand' is not among the experts | did you mean 'winogrande'?");
  EXPECT_NO_THROW(validate(parse_router("expert:winogrande"), names));
}

}  // namespace
}  // namespace quiver
