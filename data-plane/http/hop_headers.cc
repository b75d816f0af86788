// Connection is obeyed before anything is added, so that a client can't strip what the gateway
// says.
#include "data-plane/http/hop_headers.h"

#include <charconv>
#include <string>

#include "common/strings.h"

namespace apk {
namespace {

bool IsHopByHop(HeaderId id) {
  switch (id) {
    case HeaderId::kConnection:
    case HeaderId::kHttp2Settings:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyAuthenticate:
    case HeaderId::kProxyAuthorization:
    case HeaderId::kProxyConnection:
    case HeaderId::kTe:
    case HeaderId::kTrailer:
    case HeaderId::kUpgrade:
    case HeaderId::kExpect:  // The gateway itself answers it.
      return true;
    default:
      return false;
  }
}

// Fields without which the message would mean something else: naming them in Connection has no
// effect.
bool IsProtected(HeaderId id) {
  return id == HeaderId::kHost || id == HeaderId::kContentLength ||
         id == HeaderId::kTransferEncoding || id == HeaderId::kAuthorization;
}

bool ListContains(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    if (EqualsIgnoreCase(TrimSpace(list.substr(0, comma)), name)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

// True where Connection names anything but the usual two options.
bool NamesFields(std::string_view list) {
  return !list.empty() && !EqualsIgnoreCase(list, "keep-alive") && !EqualsIgnoreCase(list, "close");
}

}  // namespace

void StripHopByHop(HeaderMap& headers) {
  std::string named;
  for (size_t i = 0; i < headers.size(); ++i) {
    if (headers.id(i) != HeaderId::kConnection || !NamesFields(headers.value(i))) continue;
    named += headers.value(i);
    named += ',';
  }
  headers.RemoveIf([&named](HeaderId id, std::string_view name) {
    if (IsHopByHop(id)) return true;
    return !named.empty() && !IsProtected(id) && ListContains(named, name);
  });
}

namespace {

bool NamesWebSocket(const HeaderMap& headers) {
  const auto upgrade = headers.Get(HeaderId::kUpgrade);
  const auto connection = headers.Get(HeaderId::kConnection);
  return upgrade.has_value() && connection.has_value() && ListContains(*connection, "upgrade") &&
         EqualsIgnoreCase(*upgrade, "websocket");
}

}  // namespace

bool AsksForWebSocket(const RequestHead& request) {
  return request.headers.Has(HeaderId::kUpgrade) && request.method == "GET" &&
         request.major_version == 1 && request.minor_version == 1 &&
         request.framing.kind == BodyFraming::Kind::kNone && NamesWebSocket(request.headers);
}

bool GrantsWebSocket(const ResponseHead& response) {
  return response.status == 101 && NamesWebSocket(response.headers);
}

bool MayTrail(std::string_view name) {
  const HeaderId id = HeaderIdOf(name);
  if (id != HeaderId::kOther) return id == HeaderId::kDate || id == HeaderId::kServer;
  for (const std::string_view refused :
       {"age", "cache-control", "content-encoding", "content-range", "content-type", "location",
        "max-forwards", "range", "set-cookie", "vary", "www-authenticate"}) {
    if (EqualsIgnoreCase(name, refused)) return false;
  }
  return true;
}

void AddForwardingFields(const ForwardedBy& by, RequestHead& request) {
  HeaderMap& headers = request.headers;
  headers.RemoveIf([](HeaderId id, std::string_view) {
    return id == HeaderId::kXForwardedProto || id == HeaderId::kXForwardedHost ||
           id == HeaderId::kXForwardedPort;
  });
  char text[24];
  headers.Append(HeaderId::kXForwardedFor, by.client_address);
  headers.Add(HeaderId::kXForwardedProto, request.secure ? "https" : "http");
  if (!request.authority.empty()) headers.Add(HeaderId::kXForwardedHost, request.authority);
  const auto port_end = std::to_chars(text, text + sizeof text, by.listener_port).ptr;
  headers.Add(HeaderId::kXForwardedPort, std::string_view(text, static_cast<size_t>(port_end - text)));
  if (!headers.Has(HeaderId::kXRequestId)) {
    const auto id_end = std::to_chars(text, text + sizeof text, by.request_id, 16).ptr;
    headers.Add(HeaderId::kXRequestId, std::string_view(text, static_cast<size_t>(id_end - text)));
  }
  const std::string_view http1 = request.minor_version == 0 ? "1.0 apk" : "1.1 apk";
  headers.Append(HeaderId::kVia, request.major_version == 2 ? "2 apk" : http1);
}

}  // namespace apk
