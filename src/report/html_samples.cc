#include "report/heat_map.h"
#include "report/html_parts.h"
#include "report/html_text.h"
#include "report/metric_text.h"

namespace quiver {
namespace {

constexpr std::size_t kColours = 12;   // classes expert0 to expert11 of the style sheet
constexpr std::size_t kMaxLabel = 60;  // characters

// Experts numbered in the order in which the samples show them. The numbers stand in the text, so that
// nothing is said by colour alone.
class Numbers {
 public:
  std::string mark(const std::string& expert) {
    const std::size_t number = numbers_.emplace(expert, numbers_.size() + 1).first->second;
    if (number > names_.size()) names_.push_back(expert);
    return " class=\"expert" + std::to_string((number - 1) % kColours) + "\"><sub>" + std::to_string(number) +
           "</sub>";
  }

  std::string legend() const {
    std::string html;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      html += "<li><span class=\"expert" + std::to_string(i % kColours) + "\">" + std::to_string(i + 1) +
              "</span> " + html_text(names_[i], kMaxLabel) + "</li>";
    }
    return html.empty()
               ? ""
               : "<p>Tokens are coloured by the expert with the most weight:</p><ul class=\"legend\">" +
                     html + "</ul>\n";
  }

 private:
  std::map<std::string, std::size_t> numbers_;
  std::vector<std::string> names_;
};

// The prompt's tokens; neighbours with one expert stand in one mark.
std::string tokens_html(const SampleAnswer& answer, Numbers& numbers) {
  std::string html;
  for (std::size_t i = 0; i < answer.tokens.size();) {
    const std::string& expert = answer.tokens[i].second;
    std::string text;
    for (; i < answer.tokens.size() && answer.tokens[i].second == expert; ++i) text += answer.tokens[i].first;
    html += "<span" + (expert.empty() ? ">" : numbers.mark(expert)) + html_text(text) + "</span>";
  }
  return html.empty() ? "" : "<p class=\"text tokens\" dir=\"auto\" tabindex=\"0\">" + html + "</p>";
}

std::string answer_html(const SampleAnswer& answer, const Results& results, Numbers& numbers) {
  const ResultRow& row = results.rows[answer.row];
  const std::string text = answer.text.find_first_not_of(" \n\t") == std::string::npos
                               ? "<p class=\"text\"><em>(no text)</em></p>"
                               : "<p class=\"text\" dir=\"auto\">" + html_text(answer.text) + "</p>";
  return "<div class=\"answer\"><h5>" + html_text(row_title(row, results), kMaxLabel) +
         "<span class=\"number\">" + html_text(metric_value_text(row.metric, answer.score)) + "</span></h5>" +
         text + tokens_html(answer, numbers) + "</div>\n";
}

}  // namespace

std::string html_samples(const Results& results) {
  Numbers numbers;
  std::string html;
  for (const Sample& sample : results.samples) {
    html += "<article><h4>" + html_text(sample.task, kMaxLabel) +
            "</h4><dl><dt>Prompt</dt><dd class=\"text\" dir=\"auto\">" + html_text(sample.prompt) +
            "</dd><dt>Target</dt><dd class=\"text\" dir=\"auto\">" + html_text(sample.target) +
            "</dd></dl><div class=\"answers\">";
    for (const SampleAnswer& answer : sample.answers) html += answer_html(answer, results, numbers);
    html += "</div></article>\n";
  }
  return html.empty() ? "" : numbers.legend() + html;
}

}  // namespace quiver
