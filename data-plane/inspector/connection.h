// What both listeners do with a connection: read a request, write bytes. Coroutines of one thread.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "common/strings.h"
#include "data-plane/inspector/reply.h"
#include "data-plane/inspector/request_reader.h"

namespace apk::inspector {

inline constexpr auto kTuple = boost::asio::as_tuple(boost::asio::use_awaitable);
inline constexpr std::chrono::seconds kIdleMax{90};      // Until the head of a request is there.
inline constexpr std::chrono::seconds kBodyTimeMax{60};  // For all of a body.
inline constexpr std::chrono::seconds kWriteTimeMax{30};

enum class ReadResult { kRequest, kMalformed, kClosed };

template <class Stream>
boost::asio::awaitable<bool> WriteBytes(Stream& stream, std::string bytes) {
  boost::beast::get_lowest_layer(stream).expires_after(kWriteTimeMax);
  const auto [error, size] =
      co_await boost::asio::async_write(stream, boost::asio::buffer(bytes), kTuple);
  boost::beast::get_lowest_layer(stream).expires_never();
  co_return !error;
}

// Reads a whole request. `stream`, `buffer` and `reader` outlive the call.
template <class Stream>
boost::asio::awaitable<ReadResult> ReadRequest(Stream& stream, boost::beast::flat_buffer& buffer,
                                               RequestReader& reader) {
  namespace http = boost::beast::http;
  auto& lowest = boost::beast::get_lowest_layer(stream);
  lowest.expires_after(kIdleMax);
  const auto [head_error, head_size] =
      co_await http::async_read_header(stream, buffer, reader, kTuple);
  if (head_error) {
    const bool malformed =
        head_error.category() == http::make_error_code(http::error::bad_method).category() &&
        head_error != http::error::end_of_stream && head_error != http::error::partial_message;
    co_return malformed ? ReadResult::kMalformed : ReadResult::kClosed;
  }
  if (EqualsIgnoreCase(reader.request().Header("expect"), "100-continue")) {
    std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    const bool written = co_await WriteBytes(stream, std::move(go_on));
    if (!written) co_return ReadResult::kClosed;
  }
  lowest.expires_after(kBodyTimeMax);
  const auto [body_error, body_size] = co_await http::async_read(stream, buffer, reader, kTuple);
  lowest.expires_never();
  co_return body_error ? ReadResult::kClosed : ReadResult::kRequest;
}

}  // namespace apk::inspector
