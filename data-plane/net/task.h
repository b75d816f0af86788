// The coroutine type of the data plane. Each runs on its worker's own loop; no exception leaves
// one. g++ 12.2 frees an aggregate or capturing lambda twice when it is a temporary of a co_await
// expression: name such objects first, then await.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>

namespace apk {

namespace asio = boost::asio;

using Executor = asio::io_context::executor_type;

template <class T = void>
using Task = asio::awaitable<T, Executor>;

// Operations awaited with this give (error_code, results…) and allocate nothing.
inline constexpr auto kTuple = asio::as_tuple(asio::deferred);

// For co_spawn: a coroutine of ours never throws, so an exception here is a broken invariant.
struct Detached {
  void operator()(std::exception_ptr error) const {
    if (error) std::rethrow_exception(error);
  }
};

}  // namespace apk
