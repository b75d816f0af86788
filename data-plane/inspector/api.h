// The page's files and the JSON API, but for what waits (see ui_server). Runs on the io_context's
// thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data-plane/inspector/bins.h"
#include "data-plane/inspector/reply.h"
#include "data-plane/inspector/request_json.h"

namespace apk::inspector {

struct ApiOptions {
  CaptureOrigins origins;
  std::vector<std::string> ui_hosts;  // Allowed in Host besides loopback.
};

// "/api/bins/<token>/<what>/<id>/<part>"; empty where it ends.
struct ApiPath {
  std::string_view token;
  std::string_view what;
  std::string_view id;
  std::string_view part;
};

class Api {
 public:
  Api(Bins& bins, ApiOptions options) : bins_(bins), options_(std::move(options)) {}

  // A refusal, or null when the request may go on.
  std::unique_ptr<Reply> Refuse(const CapturedRequest& request) const;
  Reply Handle(const CapturedRequest& request);

  Bins& bins() { return bins_; }
  const ApiOptions& options() const { return options_; }

  // Of a target below /api/bins.
  static ApiPath ParsePath(std::string_view target);

 private:
  Reply HandleBins(const CapturedRequest& request);
  Reply HandleBin(const CapturedRequest& request, const ApiPath& path, LiveBin& bin);
  Reply ListRequests(const CapturedRequest& request, std::string_view token, const Bin& bin) const;

  Bins& bins_;
  const ApiOptions options_;
};

// Adds what every answer of the page's listener carries: no sniffing, no framing, a strict CSP.
void AddSecurityHeaders(Reply& reply);

}  // namespace apk::inspector
