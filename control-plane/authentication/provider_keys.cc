// A failure is logged once, until it is another one or over.
#include "control-plane/authentication/provider_keys.h"

#include <algorithm>
#include <utility>

#include "common/fetch.h"
#include "common/jwt/strict_json.h"
#include "common/log.h"
#include "common/private_file.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr std::chrono::seconds kRefresh{300};
constexpr std::chrono::seconds kLookAtFile{1};
constexpr std::chrono::seconds kWantedPause{10};
constexpr std::chrono::seconds kLongestPause{60};
constexpr size_t kWaitingMax = 1000;
constexpr std::ptrdiff_t kWaitingOfOneMax = 16;
constexpr char kDiscovery[] = "/.well-known/openid-configuration";

// Where the issuer says that its keys are (OpenID Connect Discovery 1.0, 4).
absl::StatusOr<std::string> Discover(const std::string& issuer, const std::string& ca_pem) {
  const std::string base = issuer.ends_with('/') ? issuer.substr(0, issuer.size() - 1) : issuer;
  const std::string url = base + kDiscovery;
  ASSIGN_OR_RETURN(const std::string text, Fetch(url, ca_pem));
  const std::optional<nlohmann::json> document = ParseStrictObject(text);
  if (!document.has_value()) return absl::UnavailableError(Concat(url, ": no JSON object"));
  const std::string named = StringMember(*document, "issuer").value_or("");
  if (named != issuer) {  // 4.3: another one must not speak for it.
    return absl::UnavailableError(
        Concat(url, ": its issuer is \"", named, "\", not --oidc-issuer ", issuer));
  }
  const std::string keys = StringMember(*document, "jwks_uri").value_or("");
  if (IsTrustworthyUrl(keys)) return keys;
  return absl::UnavailableError(Concat(url, ": jwks_uri must be an https:// URL"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ProviderKeys>> ProviderKeys::Open(const OidcOptions& options) {
  std::string ca_pem;
  if (!options.ca.empty()) {
    const absl::StatusOr<std::string> read = ReadFile(options.ca);
    if (!read.ok()) {
      return absl::InvalidArgumentError(
          Concat("--oidc-ca: ", std::string(read.status().message())));
    }
    ca_pem = *read;
  }
  auto keys = std::unique_ptr<ProviderKeys>(new ProviderKeys(options, std::move(ca_pem)));
  if (keys->IsFile()) {
    const absl::Status read = keys->Take(keys->Read());
    if (!read.ok()) {
      return absl::InvalidArgumentError(Concat("--oidc-jwks: ", std::string(read.message())));
    }
    keys->due_ = Now() + kLookAtFile;
  }
  keys->thread_ = Thread("oidc-keys", 0, [self = keys.get()] { self->Run(); });
  return keys;
}

ProviderKeys::~ProviderKeys() {
  Stop();
  thread_.Join();
}

void ProviderKeys::Stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  Tell(lock);
  changed_.wait(lock, [this] { return telling_ == 0; });
}

// REQUIRES: `lock` is held, as it is afterwards.
void ProviderKeys::Tell(std::unique_lock<std::mutex>& lock) {
  const std::vector<Waiting> waiting = std::exchange(waiting_, {});
  ++telling_;
  lock.unlock();
  for (const Waiting& one : waiting) one.then();
  lock.lock();
  --telling_;
  changed_.notify_all();
}

bool ProviderKeys::IsFile() const {
  return !options_.jwks.empty() && !options_.jwks.starts_with("http://") &&
         !options_.jwks.starts_with("https://");
}

absl::StatusOr<std::string> ProviderKeys::Read() const {
  if (IsFile()) return ReadFile(options_.jwks);
  if (!options_.jwks.empty()) return Fetch(options_.jwks, ca_pem_);
  ASSIGN_OR_RETURN(const std::string url, Discover(options_.issuer, ca_pem_));
  return Fetch(url, ca_pem_);
}

// REQUIRES: mutex_ is held, or nobody else knows this.
absl::Status ProviderKeys::Take(const absl::StatusOr<std::string>& document) {
  RETURN_IF_ERROR(document.status());
  if (*document != document_) {
    absl::StatusOr<KeySet> keys = ParseJwks(*document);
    if (!keys.ok()) {
      return absl::InvalidArgumentError(
          IsFile() ? Concat(options_.jwks, ": ", std::string(keys.status().message()))
                   : std::string(keys.status().message()));
    }
    keys_ = std::make_shared<const KeySet>(*std::move(keys));
    document_ = *document;
    ++version_;
  }
  taken_ = Now();
  return absl::OkStatus();
}

ProviderKeys::Known ProviderKeys::Current() const {
  const std::lock_guard lock(mutex_);
  Known known{.keys = keys_, .version = version_, .trouble = trouble_};
  if (!IsFile() && Now() - taken_ > options_.keys_kept) known.keys = nullptr;
  return known;
}

bool ProviderKeys::FetchSoon(const std::string& asker, std::function<void()> then) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || waiting_.size() >= kWaitingMax) return false;
  const bool soon = trying_ || Now() - begun_ >= (IsFile() ? kLookAtFile : kWantedPause);
  if (!soon) return false;
  const auto of_asker = std::count_if(waiting_.begin(), waiting_.end(),
                                      [&](const Waiting& one) { return one.asker == asker; });
  if (of_asker >= kWaitingOfOneMax) return false;
  waiting_.push_back({.asker = asker, .then = std::move(then)});
  due_ = std::min(due_, Now());
  changed_.notify_all();
  return true;
}

void ProviderKeys::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (Now() < due_) {
      changed_.wait_until(lock, due_);
      continue;
    }
    begun_ = Now();
    trying_ = true;
    lock.unlock();
    const absl::StatusOr<std::string> document = Read();
    lock.lock();
    trying_ = false;
    const absl::Status taken = Take(document);
    if (taken.ok()) {
      if (!trouble_.empty()) LogInfo("identity provider's keys are read again");
      trouble_.clear();
      pause_ = std::chrono::seconds(1);
      due_ = Now() + (IsFile() ? kLookAtFile : kRefresh);
    } else {
      if (trouble_ != taken.message()) {
        LogWarning("identity provider's keys can't be read",
                   {{"issuer", options_.issuer}, {"reason", std::string(taken.message())}});
      }
      trouble_ = std::string(taken.message());
      due_ = Now() + pause_ + std::chrono::milliseconds(random_() % 500);
      pause_ = std::min(pause_ * 2, kLongestPause);
    }
    Tell(lock);
  }
}

}  // namespace apk
