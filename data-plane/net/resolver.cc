// c-ares says which sockets and what time-out it wants watched; Asio watches them.
#include "data-plane/net/resolver.h"

#include <ares.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cstring>
#include <mutex>
#include <optional>

#include "common/log.h"
#include "common/strings.h"

namespace apk {
namespace {

// nullopt for what is neither IPv4 nor IPv6.
std::optional<asio::ip::address> AddressOf(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof v4);
    return asio::ip::address_v4(ntohl(v4.sin_addr.s_addr));
  }
  if (address->sa_family != AF_INET6) return std::nullopt;
  sockaddr_in6 v6;
  std::memcpy(&v6, address, sizeof v6);
  asio::ip::address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  return asio::ip::address_v6(bytes, v6.sin6_scope_id);
}

// Always this machine, whatever a hosts file or a server says of it (RFC 6761 6.3).
bool IsLocalhost(std::string_view host) {
  constexpr std::string_view kName = "localhost";
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.size() < kName.size()) return false;
  const size_t begin = host.size() - kName.size();
  return EqualsIgnoreCase(host.substr(begin), kName) && (begin == 0 || host[begin - 1] == '.');
}

}  // namespace

struct Resolver::Query {
  Resolver* resolver;
  std::string host;

  static void OnAnswer(void* argument, int status, int, ares_addrinfo* answer) {
    const std::unique_ptr<Query> query(static_cast<Query*>(argument));
    if (status != ARES_EDESTRUCTION) query->resolver->Take(query->host, status, answer);
    if (answer != nullptr) ares_freeaddrinfo(answer);
  }
};

struct Resolver::Socket {
  Socket(Executor executor, int its_descriptor)
      : descriptor(executor, its_descriptor), number(its_descriptor) {}

  asio::posix::basic_stream_descriptor<Executor> descriptor;  // Released before c-ares closes it.
  int number;
  bool wanted[2] = {false, false};   // For reading, for writing.
  bool waiting[2] = {false, false};  // A wait is under way.
};

class Resolver::Shutdown final : public Deadline {
 public:
  Shutdown(DeadlineList& deadlines, Resolver& resolver)
      : Deadline(deadlines), resolver_(resolver) {}

 private:
  void OnDeadline() override {
    if (resolver_.channel_ != nullptr) ares_cancel(resolver_.channel_);
    resolver_.retry_.cancel();
  }

  Resolver& resolver_;
};

Resolver::Resolver(Executor executor, DeadlineList& deadlines,
                   const std::vector<std::string>& servers)
    : executor_(executor),
      shutdown_(std::make_unique<Shutdown>(deadlines, *this)),
      retry_(executor) {
  static std::once_flag once;
  std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
  ares_options options{};
  char hosts_file_then_dns[] = "fb";
  options.timeout = kTryTimeoutMs;
  options.tries = kTries;
  options.lookups = hosts_file_then_dns;
  options.sock_state_cb_data = this;
  options.sock_state_cb = [](void* self, int descriptor, int readable, int writable) {
    static_cast<Resolver*>(self)->WatchSocket(descriptor, readable != 0, writable != 0);
  };
  int status = ares_init_options(
      &channel_, &options,
      ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
  if (status == ARES_SUCCESS && !servers.empty()) {
    status = ares_set_servers_ports_csv(channel_, Join(servers, ",").c_str());
  }
  if (status == ARES_SUCCESS) return;
  LogError("names can't be resolved", {{"reason", ares_strerror(status)}});
  if (channel_ != nullptr) ares_destroy(channel_);
  channel_ = nullptr;
}

Resolver::~Resolver() {
  if (channel_ != nullptr) ares_destroy(channel_);
}

Resolver::Entry& Resolver::FindEntry(const std::string& host, TimePoint now) {
  if (const auto found = cache_.find(host); found != cache_.end()) return *found->second;
  if (cache_.size() >= kNamesMax) {
    absl::erase_if(cache_, [now](const auto& named) {
      return !named.second->asking && named.second->waiters.empty() &&
             named.second->fresh_until <= now;
    });
  }
  std::unique_ptr<Entry>& entry = cache_[host];
  entry = std::make_unique<Entry>();
  return *entry;
}

Task<Resolution> Resolver::Resolve(std::string host, uint16_t port, TimePoint deadline) {
  Resolution resolution;
  boost::system::error_code not_an_address;
  const asio::ip::address literal = asio::ip::make_address(host, not_an_address);
  if (!not_an_address) {
    resolution.endpoints.emplace_back(literal, port);
    co_return resolution;
  }
  if (IsLocalhost(host)) {
    resolution.endpoints.emplace_back(asio::ip::address_v4::loopback(), port);
    resolution.endpoints.emplace_back(asio::ip::address_v6::loopback(), port);
    co_return resolution;
  }

  const TimePoint now = Now();
  Entry& entry = FindEntry(host, now);
  if (entry.fresh_until <= now && !entry.asking) Ask(host, entry);
  const bool usable = !entry.preferred.empty() && now < entry.stale_until;
  if (entry.asking && !usable) {
    Timer ended(executor_, deadline);
    entry.waiters.push_back(&ended);
    const auto [cancelled] = co_await ended.async_wait(kTuple);
    std::erase(entry.waiters, &ended);
    if (!cancelled && entry.asking) {
      resolution.timed_out = true;
      co_return resolution;
    }
  }
  resolution.endpoints = InTurn(entry, port);
  co_return resolution;
}

// The families alternate (RFC 8305 4); within each another address is first each time.
std::vector<TcpEndpoint> Resolver::InTurn(Entry& entry, uint16_t port) {
  std::vector<TcpEndpoint> endpoints;
  const size_t turn = entry.turn++;
  for (size_t i = 0; i < std::max(entry.preferred.size(), entry.others.size()); ++i) {
    for (const auto* family : {&entry.preferred, &entry.others}) {
      if (i < family->size()) endpoints.emplace_back((*family)[(turn + i) % family->size()], port);
    }
  }
  return endpoints;
}

void Resolver::Ask(const std::string& host, Entry& entry) {
  if (channel_ == nullptr) return;
  entry.asking = true;
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  // Ours until the answer, which may come before this returns.
  auto query = std::make_unique<Query>();
  query->resolver = this;
  query->host = host;
  ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, &Query::OnAnswer, query.release());
  Process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void Resolver::Take(const std::string& host, int status, const ares_addrinfo* answer) {
  const auto found = cache_.find(host);
  if (found == cache_.end()) return;
  Entry& entry = *found->second;
  entry.asking = false;
  std::vector<asio::ip::address> addresses;
  std::chrono::seconds ttl = kTtlMax;
  if (status == ARES_SUCCESS) {
    for (const ares_addrinfo_node* node = answer->nodes; node != nullptr; node = node->ai_next) {
      const auto address = AddressOf(node->ai_addr);
      if (!address.has_value()) continue;
      addresses.push_back(*address);
      ttl = std::min(ttl, std::chrono::seconds(node->ai_ttl));
    }
  }
  const TimePoint now = Now();
  if (!addresses.empty()) {
    const auto others = std::stable_partition(
        addresses.begin(), addresses.end(),
        [v4 = addresses.front().is_v4()](const auto& address) { return address.is_v4() == v4; });
    entry.preferred.assign(addresses.begin(), others);
    entry.others.assign(others, addresses.end());
    entry.fresh_until = now + std::max(ttl, kTtlMin);
    entry.stale_until = entry.fresh_until + kStaleFor;
    entry.last_resort_until = entry.fresh_until + kStaleMax;
  } else {
    // A name that is gone is gone; one that can't be asked for keeps what it had.
    const bool gone = status == ARES_ENOTFOUND || status == ARES_ENODATA;
    if (gone || entry.last_resort_until <= now) {
      entry.preferred.clear();
      entry.others.clear();
    }
    entry.fresh_until = now + kFailedFor;
    entry.stale_until = std::min(entry.fresh_until + kStaleFor, entry.last_resort_until);
  }
  for (Timer* const waiter : entry.waiters) waiter->cancel();
}

void Resolver::WatchSocket(int descriptor, bool readable, bool writable) {
  auto found = std::find_if(sockets_.begin(), sockets_.end(),
                            [&](const auto& socket) { return socket->number == descriptor; });
  if (!readable && !writable) {
    if (found == sockets_.end()) return;
    const std::shared_ptr<Socket> socket = std::move(*found);
    sockets_.erase(found);
    socket->wanted[0] = socket->wanted[1] = false;
    socket->descriptor.release();
    return;
  }
  if (found == sockets_.end()) {
    found = sockets_.insert(found, std::make_shared<Socket>(executor_, descriptor));
  }
  const std::shared_ptr<Socket> socket = *found;
  socket->wanted[0] = readable;
  socket->wanted[1] = writable;
  if (readable) WaitForSocket(socket, false);
  if (writable) WaitForSocket(socket, true);
}

void Resolver::WaitForSocket(const std::shared_ptr<Socket>& socket, bool write) {
  if (socket->waiting[write]) return;
  socket->waiting[write] = true;
  using Descriptor = asio::posix::descriptor_base;
  socket->descriptor.async_wait(write ? Descriptor::wait_write : Descriptor::wait_read,
                                [this, socket, write](const boost::system::error_code&) {
                                  socket->waiting[write] = false;
                                  if (!socket->wanted[write])
                                    return;  // c-ares has closed it, or no longer cares.
                                  Process(write ? ARES_SOCKET_BAD : socket->number,
                                          write ? socket->number : ARES_SOCKET_BAD);
                                  if (socket->wanted[write]) WaitForSocket(socket, write);
                                });
}

// ARES_SOCKET_BAD for both: only time-outs are looked at.
void Resolver::Process(int readable, int writable) {
  ares_process_fd(channel_, readable, writable);
  timeval wait{};
  if (ares_timeout(channel_, nullptr, &wait) == nullptr) {
    retry_.cancel();
    return;
  }
  retry_.expires_after(std::chrono::seconds(wait.tv_sec) + std::chrono::microseconds(wait.tv_usec));
  retry_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled) Process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

bool IsDnsServer(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string_view address = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = address.starts_with('[') && address.ends_with(']');
  if (bracketed) address = address.substr(1, address.size() - 2);
  boost::system::error_code error;
  const asio::ip::address parsed = asio::ip::make_address(address, error);
  if (error || parsed.is_v6() != bracketed) return false;
  if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != port.npos) {
    return false;
  }
  const int number = std::stoi(std::string(port));
  return number > 0 && number <= 65535;
}

}  // namespace apk
