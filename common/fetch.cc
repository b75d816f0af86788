// By libcurl, which is made ready at the first use.
#include "common/fetch.h"

#include <curl/curl.h>

#include <memory>

#include "common/transfer_text.h"

namespace apk {
namespace {

constexpr size_t kBytesMax = 256 * 1024;
constexpr long kTimeoutMs = 5000;

}  // namespace

absl::StatusOr<std::string> Fetch(const std::string& url, const std::string& ca_pem) {
  static const CURLcode kReady = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (kReady != CURLE_OK) return absl::InternalError(curl_easy_strerror(kReady));
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(),
                                                                 &curl_easy_cleanup);
  std::string body;
  char error[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, kTimeoutMs);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &AppendUpTo<kBytesMax>);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &body);
  if (!ca_pem.empty()) {
    curl_blob blob{};
    blob.data = const_cast<char*>(ca_pem.data());
    blob.len = ca_pem.size();
    blob.flags = CURL_BLOB_COPY;
    curl_easy_setopt(curl.get(), CURLOPT_CAINFO_BLOB, &blob);
  }
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) {
    return absl::UnavailableError(error[0] != '\0' ? error : curl_easy_strerror(code));
  }
  return body;
}

}  // namespace apk
