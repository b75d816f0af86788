// Reads one HTTP/1 request into a CapturedRequest: fields in the order and spelling received, the
// beginning of the body stored, the rest counted.
#pragma once

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <string_view>
#include <utility>

#include "data-plane/inspector/captured_request.h"

namespace apk::inspector {

class RequestReader final : public boost::beast::http::basic_parser<true> {
 public:
  static constexpr uint32_t kHeaderBytesMax = 64 * 1024;
  static constexpr uint64_t kReadBodyBytesMax = uint64_t{1} << 30;  // More ends the connection.

  RequestReader() {
    header_limit(kHeaderBytesMax);
    body_limit(kReadBodyBytesMax);
  }

  const CapturedRequest& request() const { return request_; }
  CapturedRequest Take() { return std::move(request_); }

 private:
  using Error = boost::beast::error_code;
  using Text = boost::beast::string_view;

  static std::string_view View(Text text) { return {text.data(), text.size()}; }

  size_t Store(Text body) {
    const size_t room = CapturedRequest::kBodyBytesMax - request_.body.size();
    request_.body.append(View(body).substr(0, std::min(room, body.size())));
    request_.body_bytes += body.size();
    return body.size();
  }

  void on_request_impl(boost::beast::http::verb, Text method, Text target, int version,
                       Error&) override {
    request_.method = View(method);
    request_.target = View(target);
    request_.http_version = version == 10 ? "1.0" : "1.1";
  }
  void on_response_impl(int, Text, int, Error&) override {}
  void on_field_impl(boost::beast::http::field, Text name, Text value, Error&) override {
    CapturedHeader header;
    header.name = View(name);
    header.value = View(value);
    request_.headers.push_back(std::move(header));
  }
  void on_header_impl(Error&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Error&) override {}
  size_t on_body_impl(Text body, Error&) override { return Store(body); }
  void on_chunk_header_impl(std::uint64_t, Text, Error&) override {}
  size_t on_chunk_body_impl(std::uint64_t, Text body, Error&) override { return Store(body); }
  void on_finish_impl(Error&) override {}

  CapturedRequest request_;
};

}  // namespace apk::inspector
