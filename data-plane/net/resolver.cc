// getaddrinfo behind a cache.
#include "data-plane/net/resolver.h"

namespace apk {
namespace {

std::vector<TcpEndpoint> WithPort(const std::vector<asio::ip::address>& addresses, uint16_t port) {
  std::vector<TcpEndpoint> endpoints;
  endpoints.reserve(addresses.size());
  for (const asio::ip::address& address : addresses) endpoints.emplace_back(address, port);
  return endpoints;
}

}  // namespace

Task<std::vector<TcpEndpoint>> Resolver::Resolve(std::string host, uint16_t port) {
  boost::system::error_code not_an_address;
  const asio::ip::address literal = asio::ip::make_address(host, not_an_address);
  if (!not_an_address) co_return std::vector<TcpEndpoint>(1, TcpEndpoint(literal, port));

  const TimePoint now = std::chrono::steady_clock::now();
  if (const auto found = cache_.find(host);
      found != cache_.end() && found->second.fresh_until > now) {
    co_return WithPort(found->second.addresses, port);
  }
  asio::ip::basic_resolver<asio::ip::tcp, Executor> resolver(executor_);
  const auto [error, results] = co_await resolver.async_resolve(host, "", kTuple);
  if (cache_.size() >= kNamesMax) cache_.clear();
  Entry& entry = cache_[host];
  entry.fresh_until = now + (error ? std::chrono::seconds(1) : kFreshFor);
  if (!error) {
    entry.addresses.clear();
    for (const auto& result : results) entry.addresses.push_back(result.endpoint().address());
  }
  co_return WithPort(entry.addresses, port);
}

}  // namespace apk
