// The last requests that the backend received, and who waits for more. One thread.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <deque>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace apk {

struct ReceivedRequest {
  std::string method;
  std::string target;  // Path and query, as they came.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// Bodies are cut at `kShownBodyBytesMax`; text that isn't UTF-8 gets replacement characters.
nlohmann::ordered_json ToJson(const ReceivedRequest& request);
std::string Dump(const nlohmann::ordered_json& json);

class ReceivedRequests {
 public:
  static constexpr size_t kRequestsMax = 100;
  static constexpr size_t kShownBodyBytesMax = 16 * 1024;

  // Drops the oldest when full, and wakes everyone who waits.
  void Add(ReceivedRequest request);
  // How many ever arrived.
  size_t total() const { return total_; }
  nlohmann::ordered_json ToJson() const;

  // A timer that ends early when a request arrives. Must be removed before it goes away.
  void AddWaiter(boost::asio::steady_timer* timer) { waiters_.push_back(timer); }
  void RemoveWaiter(boost::asio::steady_timer* timer) { std::erase(waiters_, timer); }

 private:
  std::deque<ReceivedRequest> requests_;
  size_t total_ = 0;
  std::vector<boost::asio::steady_timer*> waiters_;
};

}  // namespace apk
