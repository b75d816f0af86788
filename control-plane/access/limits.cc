// Token buckets, counters, and a list of when applies began.
#include "control-plane/access/limits.h"

#include <absl/strings/cord.h>

#include <algorithm>
#include <charconv>

#include "control-plane/identity/spiffe.h"

namespace apk {
namespace {

constexpr uint32_t kBurstSeconds = 10;
constexpr size_t kUsersMax = 10'000;
constexpr std::chrono::seconds kForgotten{60};
constexpr std::chrono::seconds kBucketFull{kBurstSeconds};
constexpr char kRetryAfter[] = "access/retry-after";

absl::Status Exhausted(const std::string& what) {
  absl::Status status = absl::ResourceExhaustedError(Concat(what, "; try again in 1 s"));
  status.SetPayload(kRetryAfter, absl::Cord("1"));
  return status;
}

std::string_view NameOf(std::string_view user) {
  return user.starts_with(kUserUri) ? user.substr(kUserUri.size()) : user;
}

}  // namespace

size_t Limits::Places::Taken(TimePoint now) {
  while (!arriving.empty() && now - arriving.front() > kForgotten) arriving.pop_front();
  return arriving.size() + running;
}

Limits::Places& Limits::Usage::Of(Call call) {
  if (call == Call::kWatch) return watches;
  return call == Call::kApply ? applies : calls;
}

bool Limits::Usage::Idle(TimePoint now) {
  const auto full = [now](const Bucket& bucket) {
    return bucket.tokens < 0 || now - bucket.at > kBucketFull;
  };
  return calls.Taken(now) + applies.Taken(now) + watches.Taken(now) == 0 && full(reads) &&
         full(changes);
}

// REQUIRES: mutex_ is held.
Limits::Usage& Limits::UsageOf(const std::string& user, TimePoint now) {
  if (users_.size() >= kUsersMax && !users_.contains(user)) {
    absl::erase_if(users_, [now](auto& entry) { return entry.second.Idle(now); });
  }
  return users_[user];
}

absl::Status Limits::Take(const std::string& user, Call call, TimePoint now) {
  const bool reads = call == Call::kRead || call == Call::kWatch;
  const uint32_t rate = reads ? options_.reads : options_.changes;
  if (rate == 0) return absl::OkStatus();
  const std::lock_guard lock(mutex_);
  Usage& usage = UsageOf(user, now);
  Bucket& bucket = reads ? usage.reads : usage.changes;
  const double most = static_cast<double>(rate) * kBurstSeconds;
  const double since = std::chrono::duration<double>(now - bucket.at).count();
  bucket.tokens =
      bucket.tokens < 0 ? most : std::min(most, bucket.tokens + since * static_cast<double>(rate));
  bucket.at = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return absl::OkStatus();
  }
  return Exhausted(Concat("user ", NameOf(user), " asks for more than ", std::to_string(rate),
                          reads ? " reads" : " changes", " a second (",
                          reads ? "--limit-reads" : "--limit-changes", ")"));
}

absl::Status Limits::Begin(const std::string& user, Call call, TimePoint now) {
  const uint32_t most = call == Call::kWatch   ? options_.watches
                        : call == Call::kApply ? options_.applies
                                               : options_.calls;
  const std::lock_guard lock(mutex_);
  Places& places = UsageOf(user, now).Of(call);
  if (most == 0 || places.Taken(now) < most) {
    places.arriving.push_back(now);
    return absl::OkStatus();
  }
  return Exhausted(Concat("user ", NameOf(user), " has ", std::to_string(most),
                          call == Call::kWatch   ? " watches at a time (--limit-watches)"
                          : call == Call::kApply ? " applies at a time (--limit-applies)"
                                                 : " calls at a time (--limit-calls)"));
}

void Limits::Run(const std::string& user, Call call) {
  const std::lock_guard lock(mutex_);
  Places& places = users_[user].Of(call);
  // It may have been forgotten: then it counts again.
  if (!places.arriving.empty()) places.arriving.pop_front();
  ++places.running;
}

void Limits::End(const std::string& user, Call call) {
  const std::lock_guard lock(mutex_);
  Places& places = users_[user].Of(call);
  if (places.running > 0) --places.running;
}

int RetryAfterSeconds(const absl::Status& refused) {
  const auto payload = refused.GetPayload(kRetryAfter);
  int seconds = 0;
  if (!payload.has_value()) return 0;
  const std::string text(*payload);
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return seconds;
}

}  // namespace apk
