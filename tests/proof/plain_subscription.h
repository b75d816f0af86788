// A control plane's side of one stream, with its responses as an agent reads them.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "control-plane/discovery/difference_cache.h"
#include "control-plane/discovery/subscription.h"
#include "data-plane/agent/response_parts.h"

namespace apk::proof {

class PlainSubscription {
 public:
  using Response = std::optional<v1::DiscoveryResponse>;
  struct Answer {
    bool stale = false;
    bool told = false;
    bool accepted = false;
    std::string version = {};
    Response next = {};
  };

  explicit PlainSubscription(const std::string& store = "") : real_(differences_, store) {}

  bool IsAhead(const v1::DiscoveryRequest& hello, const SnapshotPtr& newest) const {
    return real_.IsAhead(hello, newest);
  }
  Response OnHello(const v1::DiscoveryRequest& hello, const SnapshotPtr& newest) {
    return Read(real_.OnHello(hello, newest));
  }
  Response OnPublish(const SnapshotPtr& newest) { return Read(real_.OnPublish(newest)); }
  Answer OnAnswer(const v1::DiscoveryRequest& request) {
    const Subscription::Answer answer = real_.OnAnswer(request);
    return {.stale = answer.stale,
            .told = answer.told,
            .accepted = answer.accepted,
            .version = answer.version,
            .next = Read(answer.next)};
  }
  const std::string& acknowledged() const { return real_.acknowledged(); }

  // The bytes of its messages, read.
  static Response Read(const std::optional<OutgoingResponse>& outgoing) {
    if (!outgoing.has_value()) return std::nullopt;
    std::vector<std::string> messages(1);
    if (outgoing->difference != nullptr) {
      messages.clear();
      for (const auto& part : outgoing->difference->parts) messages.push_back(*part);
    }
    messages.back() += outgoing->rest.SerializeAsString();
    ResponseParts parts;
    Response response;
    for (const std::string& bytes : messages) {
      EXPECT_FALSE(response.has_value()) << "something follows the last part";
      v1::DiscoveryResponse message;
      EXPECT_TRUE(message.ParseFromString(bytes));
      auto added = parts.Add(std::move(message));
      EXPECT_TRUE(added.ok()) << added.status();
      if (added.ok()) response = *std::move(added);
    }
    EXPECT_TRUE(response.has_value()) << "the last part is missing";
    return response;
  }

 private:
  DifferenceCache differences_;
  Subscription real_;
};

}  // namespace apk::proof
