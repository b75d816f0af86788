// A list of due times, and a thread that sleeps until the first.
#include "data-plane/auth/jwks_fetcher.h"

#include <algorithm>

#include "common/fetch.h"
#include "common/log.h"

namespace apk {
namespace {

constexpr std::chrono::seconds kRefresh{300};
constexpr std::chrono::seconds kLongestPause{60};
// Keys that a token asks for are fetched again, but not more often than this: anyone can make up a
// key's name.
constexpr std::chrono::seconds kWantedPause{10};
constexpr std::chrono::seconds kLookForWanted{1};

bool SameSource(const TokenIssuer& a, const TokenIssuer& b) {
  return a.name == b.name && a.jwks_url == b.jwks_url && a.jwks_ca_pem == b.jwks_ca_pem &&
         a.certificate_pem == b.certificate_pem;
}

}  // namespace

JwksFetcher::JwksFetcher(Publish publish, std::string file)
    : publish_(std::move(publish)), file_(std::move(file)), saved_(file_.Load()) {
  thread_ = Thread("jwks", 0, [this] { Run(); });
}

JwksFetcher::~JwksFetcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.Join();
}

void JwksFetcher::SetIssuers(const RouteTable& table) {
  const std::lock_guard lock(mutex_);
  std::vector<std::unique_ptr<Source>> sources;
  for (const auto& issuer : table.token_issuers()) {
    const auto known = std::find_if(sources_.begin(), sources_.end(), [&](const auto& source) {
      return source != nullptr && SameSource(source->issuer, *issuer);
    });
    if (known != sources_.end()) {
      sources.push_back(std::move(*known));
      continue;
    }
    auto source = std::make_unique<Source>();
    source->issuer = *issuer;
    source->due = Now();
    if (issuer->jwks_url.empty()) {
      source->due = TimePoint::max();
      absl::StatusOr<KeySet> keys = KeySetOfCertificate(issuer->certificate_pem);
      if (keys.ok()) {
        source->keys = std::make_shared<const KeySet>(*std::move(keys));
      } else {
        LogWarning("token issuer's certificate can't be used",
                   {{"issuer", issuer->name}, {"reason", std::string(keys.status().message())}});
      }
    } else if (const auto saved = saved_.find(KeyFile::IdOf(*issuer)); saved != saved_.end()) {
      absl::StatusOr<KeySet> keys = ParseJwks(saved->second);
      if (keys.ok()) {
        source->keys = std::make_shared<const KeySet>(*std::move(keys));
        source->document = saved->second;
      }
    }
    sources.push_back(std::move(source));
  }
  sources_ = std::move(sources);
  PublishKeys();
  changed_.notify_all();
}

TimePoint JwksFetcher::Source::Due() const {
  if (issuer.jwks_url.empty() || !wanted->load(std::memory_order_relaxed)) return due;
  return std::min(due, fetched + kWantedPause);
}

void JwksFetcher::PublishKeys() {
  auto store = std::make_shared<KeyStore>();
  store->version = ++version_;
  for (const auto& source : sources_) {
    if (source->keys != nullptr) store->keys[source->issuer.name] = source->keys;
    if (!source->issuer.jwks_url.empty()) store->wanted[source->issuer.name] = source->wanted;
  }
  publish_(std::move(store));
}

JwksFetcher::Source* JwksFetcher::NextDue(TimePoint now) {
  for (const auto& source : sources_) {
    if (source->Due() <= now) return source.get();
  }
  return nullptr;
}

void JwksFetcher::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    Source* const due = NextDue(Now());
    if (due == nullptr) {
      TimePoint next = Now() + (sources_.empty() ? kRefresh : kLookForWanted);
      for (const auto& source : sources_) next = std::min(next, source->Due());
      changed_.wait_until(lock, next);
      continue;
    }
    Fetch(*due, lock);
  }
}

KeyFile::KeySets JwksFetcher::Documents() const {
  KeyFile::KeySets documents;
  for (const auto& source : sources_) {
    if (!source->document.empty()) documents[KeyFile::IdOf(source->issuer)] = source->document;
  }
  return documents;
}

void JwksFetcher::SetSaving(bool saving) {
  const std::lock_guard lock(file_mutex_);
  saving_ = saving;
}

void JwksFetcher::Save(const KeyFile::KeySets& documents) {
  const std::lock_guard lock(file_mutex_);
  if (!saving_) return;
  const absl::Status saved = file_.Save(documents);
  if (!saved.ok()) {
    LogWarning("token issuers' keys not saved", {{"reason", std::string(saved.message())}});
  }
}

void JwksFetcher::Fetch(Source& due, std::unique_lock<std::mutex>& lock) {
  const TokenIssuer issuer = due.issuer;
  due.fetched = Now();
  due.wanted->store(false, std::memory_order_relaxed);
  lock.unlock();
  absl::StatusOr<std::string> body = apk::Fetch(issuer.jwks_url, issuer.jwks_ca_pem);
  absl::StatusOr<KeySet> keys =
      body.ok() ? ParseJwks(*body) : absl::StatusOr<KeySet>(body.status());
  lock.lock();
  const auto source = std::find_if(sources_.begin(), sources_.end(), [&](const auto& entry) {
    return SameSource(entry->issuer, issuer);
  });
  if (source == sources_.end()) return;  // Gone meanwhile.
  if (!keys.ok()) {
    LogWarning("token issuer's keys can't be fetched",
               {{"issuer", issuer.name},
                {"url", issuer.jwks_url},
                {"reason", std::string(keys.status().message())}});
    const auto jitter = std::chrono::milliseconds(random_() % 500);
    (*source)->due = Now() + (*source)->pause + jitter;
    (*source)->pause = std::min((*source)->pause * 2, kLongestPause);
    return;
  }
  (*source)->keys = std::make_shared<const KeySet>(*std::move(keys));
  (*source)->document = *std::move(body);
  (*source)->pause = std::chrono::seconds(1);
  (*source)->due = Now() + kRefresh;
  PublishKeys();
  const KeyFile::KeySets documents = Documents();
  lock.unlock();
  Save(documents);
  lock.lock();
}

}  // namespace apk
