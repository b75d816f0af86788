// A ring of requests, as JSON.
#include "deploy/sample-backend/received_requests.h"

namespace apk {

nlohmann::ordered_json ToJson(const ReceivedRequest& request) {
  nlohmann::ordered_json headers = nlohmann::ordered_json::array();
  for (const auto& [name, value] : request.headers)
    headers.push_back({{"name", name}, {"value", value}});
  return {{"method", request.method},
          {"path", request.target},
          {"headers", std::move(headers)},
          {"body", request.body.substr(0, ReceivedRequests::kShownBodyBytesMax)},
          {"bodyBytes", request.body.size()}};
}

std::string Dump(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void ReceivedRequests::Add(ReceivedRequest request) {
  ++total_;
  if (requests_.size() == kRequestsMax) requests_.pop_front();
  requests_.push_back(std::move(request));
  for (boost::asio::steady_timer* const waiter : waiters_) waiter->cancel();
}

nlohmann::ordered_json ReceivedRequests::ToJson() const {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ReceivedRequest& request : requests_) list.push_back(apk::ToJson(request));
  return {{"total", total_}, {"requests", std::move(list)}};
}

}  // namespace apk
