// Appends to one buffer that its owner reuses.
#include "data-plane/http/head_writer.h"

#include <charconv>

namespace apk {
namespace {

// The last is the gateway's own; a filter may have removed it.
void AppendMarkedVia(std::string& out, const HeaderMap& headers, std::string_view mark) {
  size_t left = headers.Count(HeaderId::kVia);
  if (left == 0) out.append("Via: 1.1 apk ").append(mark).append("\r\n", 2);
  for (size_t i = 0; left > 0; ++i) {
    if (headers.id(i) != HeaderId::kVia) continue;
    out.append(headers.name(i)).append(": ", 2).append(headers.value(i));
    if (--left == 0) out.append(1, ' ').append(mark);
    out.append("\r\n", 2);
  }
}

}  // namespace

void AppendNumber(std::string& out, uint64_t number) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end);
}

void AppendField(std::string& out, std::string_view name, std::string_view value) {
  out.append(name);
  out.append(": ", 2);
  out.append(value);
  out.append("\r\n", 2);
}

void AppendRequestHead(std::string& out, const OutgoingRequest& request) {
  const RequestHead& head = *request.head;
  out.append(head.method);
  out += ' ';
  if (head.path != "*") out.append(request.base_path);
  out.append(head.path);
  if (head.has_query) {
    out += '?';
    out.append(head.query);
  }
  out.append(" HTTP/1.1\r\n");
  AppendField(out, "Host", request.host);
  const bool marked = !request.mirror_mark.empty();
  const bool traced = !request.trace_parent.empty();
  head.headers.AppendLines(out, [marked, traced](HeaderId id) {
    return id != HeaderId::kHost && id != HeaderId::kContentLength &&
           id != HeaderId::kTransferEncoding && !(id == HeaderId::kVia && marked) &&
           !(id == HeaderId::kTraceparent && traced);
  });
  if (traced) AppendField(out, "traceparent", request.trace_parent);
  if (marked) AppendMarkedVia(out, head.headers, request.mirror_mark);
  if (head.websocket) out.append("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  AppendFraming(out, head.framing);
  const bool has_empty_body = head.framing.kind == BodyFraming::Kind::kNone &&
                              head.headers.Has(HeaderId::kContentLength);
  if (has_empty_body) out.append("Content-Length: 0\r\n");
  AppendHeadEnd(out);
}

void AppendStatusLine(std::string& out, uint16_t status, std::string_view reason) {
  out.append("HTTP/1.1 ");
  AppendNumber(out, status);
  out += ' ';
  out.append(reason.empty() ? ReasonPhrase(status) : reason);
  out.append("\r\n", 2);
}

void AppendFraming(std::string& out, const BodyFraming& framing) {
  if (framing.kind == BodyFraming::Kind::kLength) {
    out.append("Content-Length: ");
    AppendNumber(out, framing.length);
    out.append("\r\n", 2);
  } else if (framing.kind == BodyFraming::Kind::kChunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  }
}

void AppendHeadEnd(std::string& out) { out.append("\r\n", 2); }

size_t FormatChunkHeader(char* buffer, size_t chunk_size) {
  const auto [end, error] = std::to_chars(buffer, buffer + 16, chunk_size, 16);
  end[0] = '\r';
  end[1] = '\n';
  return static_cast<size_t>(end - buffer) + 2;
}

std::string_view ReasonPhrase(uint16_t status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 421:
      return "Misdirected Request";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

}  // namespace apk
