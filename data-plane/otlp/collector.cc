// OTLP over HTTP/1.1: POST, protobuf.
#include "data-plane/otlp/collector.h"

#include <curl/curl.h>

#include <utility>

#include "common/strings.h"
#include "common/transfer_text.h"

namespace apk {
namespace {

constexpr size_t kAnswerBytesMax = 64 * 1024;
constexpr std::string_view kPath = "/v1/traces";

int EndWhereAsked(void* stop, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<std::function<bool()>*>(stop))() ? 1 : 0;
}

// "" where the URL has none.
std::string PartOf(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return "";
  std::string copy(text);
  curl_free(text);
  return copy;
}

}  // namespace

struct Collector::Transfer {
  std::string url;
  std::function<bool()> stop;
  CURL* curl = nullptr;
  curl_slist* headers = nullptr;
  char error[CURL_ERROR_SIZE] = "";

  Transfer() {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = curl_easy_init();
  }
  ~Transfer() {
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
  }
};

absl::StatusOr<std::string> Collector::TracesUrl(const std::string& endpoint) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), &curl_url_cleanup);
  const bool is_url = curl_url_set(url.get(), CURLUPART_URL, endpoint.c_str(), 0) == CURLUE_OK;
  const std::string scheme = is_url ? PartOf(url.get(), CURLUPART_SCHEME) : "";
  const bool plain =
      PartOf(url.get(), CURLUPART_QUERY).empty() && PartOf(url.get(), CURLUPART_FRAGMENT).empty();
  if ((scheme != "http" && scheme != "https") || !plain) {
    return absl::InvalidArgumentError(
        Concat(endpoint, ": not a URL such as http://127.0.0.1:4318"));
  }
  std::string base = endpoint;
  while (base.ends_with('/')) base.pop_back();
  return Concat(base, kPath);
}

Collector::Collector(std::string url, std::function<bool()> stop)
    : transfer_(std::make_unique<Transfer>()) {
  transfer_->url = std::move(url);
  transfer_->stop = std::move(stop);
  for (const char* const header : {"Content-Type: application/x-protobuf", "Expect:"}) {
    transfer_->headers = curl_slist_append(transfer_->headers, header);
  }
  CURL* const curl = transfer_->curl;
  curl_easy_setopt(curl, CURLOPT_URL, transfer_->url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);  // A look-up that hangs holds nobody up.
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "apk-data-plane/" APK_VERSION);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer_->headers);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer_->error);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &AppendUpTo<kAnswerBytesMax>);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &EndWhereAsked);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer_->stop);
}

Collector::~Collector() = default;

CollectorAnswer Collector::Post(std::string_view body, std::chrono::milliseconds time) {
  CURL* const curl = transfer_->curl;
  CollectorAnswer answer;
  transfer_->error[0] = '\0';
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(time.count()));
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
  const CURLcode code = curl_easy_perform(curl);
  long status = 0;  // Says enough, whatever became of a body behind it.
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<uint16_t>(status);
  if (status == 0) {
    answer.error = transfer_->error[0] != '\0' ? transfer_->error : curl_easy_strerror(code);
  }
  curl_off_t seconds = 0;
  curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds);
  if (seconds > 0) answer.retry_after = std::chrono::seconds(seconds);
  return answer;
}

}  // namespace apk
