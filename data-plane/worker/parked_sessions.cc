// The handler of the wait owns the session.
#include "data-plane/worker/parked_sessions.h"

#include <boost/asio/post.hpp>
#include <vector>

namespace apk {

class ParkedSessions::Wait {
 public:
  using executor_type = Executor;

  Wait(ParkedSessions& parked, ParkedSession session)
      : parked_(&parked), session_(std::make_unique<ParkedSession>(std::move(session))) {
    parked.streams_.emplace(session_->stream.get(), session_->client.get());
    parked.metrics_.connections_parked.Add();
  }
  Wait(Wait&&) = default;
  Wait& operator=(Wait&&) = delete;
  ~Wait() {
    if (session_ != nullptr) Leave();
  }

  executor_type get_executor() const { return parked_->executor_; }

  void operator()(boost::system::error_code error) {
    if (error) return;
    Leave();
    parked_->resume_(std::move(*std::exchange(session_, nullptr)));
  }

 private:
  void Leave() {
    parked_->streams_.erase(session_->stream.get());
    parked_->metrics_.connections_parked.Subtract();
  }

  ParkedSessions* parked_;
  std::unique_ptr<ParkedSession> session_;
};

void ParkedSessions::Park(ParkedSession session) {
  session.idle_until = session.stream->deadline();
  session.stream->Rest();
  PolledSocket& socket = session.stream->socket();
  Wait wait(*this, std::move(session));
  if (socket.readable) {
    asio::post(executor_, [wait = std::move(wait)]() mutable { wait({}); });
  } else {
    socket.read_waiter.Arm(std::move(wait));
  }
}

void ParkedSessions::ResumeEnding() {
  std::vector<ByteStream*> ending;
  for (const auto& [stream, client] : streams_) {
    if (*client->arrival()->ending) ending.push_back(stream);
  }
  for (ByteStream* const stream : ending) {
    Waiter& waiter = stream->socket().read_waiter;
    if (waiter.armed()) waiter.Complete();  // Otherwise it is being resumed, or ends.
  }
}

}  // namespace apk
