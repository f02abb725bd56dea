#include "http/http_answer.h"

#include <boost/asio/post.hpp>
#include <utility>  // before Asio's coroutines

namespace quiver {
namespace {

class Exchange : public HttpExchange {
 public:
  Exchange(HttpRequest request, std::shared_ptr<HttpAnswer> answer)
      : request_(std::move(request)), answer_(std::move(answer)) {}
  ~Exchange() override { answer_->abandon(); }

  const HttpRequest& request() const override { return request_; }
  void respond(HttpResponse response) override { answer_->respond(std::move(response)); }
  void begin_stream(HttpResponse head, std::string pause) override {
    answer_->begin_stream(std::move(head), std::move(pause));
  }
  bool write(std::string_view piece) override { return answer_->write(piece); }
  void end_stream() override { answer_->end_stream(); }
  void on_gone(std::function<void()> call) override { answer_->on_gone(std::move(call)); }
  void note(std::string name, std::string value) override {
    answer_->note(std::move(name), std::move(value));
  }

 private:
  const HttpRequest request_;
  const std::shared_ptr<HttpAnswer> answer_;
};

}  // namespace

std::shared_ptr<HttpExchange> make_exchange(HttpRequest request, std::shared_ptr<HttpAnswer> answer) {
  return std::make_shared<Exchange>(std::move(request), std::move(answer));
}

void HttpAnswer::notify() {
  if (is_told_) return;
  is_told_ = true;
  boost::asio::post(*io_, [weak = weak_from_this()] {
    if (const std::shared_ptr<HttpAnswer> answer = weak.lock()) answer->changed_.cancel();
  });
}

void HttpAnswer::respond(HttpResponse response) {
  const MutexLock lock(mutex_);
  if (has_head_) return;
  has_head_ = has_end_ = next_.is_end = true;
  next_.head = std::move(response);
  notify();
}

void HttpAnswer::begin_stream(HttpResponse head, std::string pause) {
  const MutexLock lock(mutex_);
  if (has_head_) return;
  has_head_ = next_.is_stream = true;
  next_.head = std::move(head);
  next_.pause = std::move(pause);
  notify();
}

bool HttpAnswer::write(std::string_view piece) {
  const MutexLock lock(mutex_);
  if (is_gone_ || next_.is_broken || !next_.is_stream || has_end_) return false;
  // One long piece is no reader's fault: what has come together beside it counts.
  longest_ = std::max(longest_, piece.size());
  if (next_.body.size() + piece.size() > unsent_bytes_ + longest_) next_.is_broken = true;
  if (!next_.is_broken) next_.body += piece;
  notify();
  return !next_.is_broken;
}

void HttpAnswer::end_stream() {
  const MutexLock lock(mutex_);
  if (has_end_) return;
  has_end_ = next_.is_end = true;
  notify();
}

void HttpAnswer::on_gone(std::function<void()> call) {
  {
    const MutexLock lock(mutex_);
    if (!is_gone_) {
      gone_ = std::move(call);
      return;
    }
  }
  call();
}

void HttpAnswer::note(std::string name, std::string value) {
  const MutexLock lock(mutex_);
  notes_.emplace_back(std::move(name), std::move(value));
}

void HttpAnswer::abandon() {
  const MutexLock lock(mutex_);
  if (has_end_) return;
  has_end_ = next_.is_broken = true;
  notify();
}

HttpAnswer::Piece HttpAnswer::take() {
  const MutexLock lock(mutex_);
  is_told_ = false;
  Piece piece = std::exchange(next_, {});
  next_.is_stream = piece.is_stream;
  next_.is_broken = piece.is_broken;
  return piece;
}

void HttpAnswer::client_gone() {
  std::function<void()> call;
  {
    const MutexLock lock(mutex_);
    if (is_gone_) return;
    is_gone_ = true;
    call = std::exchange(gone_, nullptr);
  }
  if (call) call();
}

void HttpAnswer::close() {
  std::function<void()> unused;  // may own much: ends outside the lock
  const MutexLock lock(mutex_);
  is_gone_ = true;
  unused = std::exchange(gone_, nullptr);
}

std::vector<std::pair<std::string, std::string>> HttpAnswer::notes() {
  const MutexLock lock(mutex_);
  return notes_;
}

}  // namespace quiver
