// One request and its response, as forwarding sees it, whatever protocol carries it on either side.
//
// Bodies are pulled: NextBody gives what is there without waiting, FillBody waits for more. Writing
// tries at once; where it says kAgain, co_await Flush() before anything else is written and before
// the bytes that were given change.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "data-plane/http/head_writer.h"
#include "data-plane/http/message.h"
#include "data-plane/net/byte_stream.h"

namespace apk {

struct BodySlice {
  std::string_view data;                // Valid until the next call on the exchange.
  bool done = false;                    // The body ends with this slice.
  bool failed = false;                  // Broken framing or connection.
  bool wait = false;                    // Nothing there now: FillBody.
  const HeaderMap* trailers = nullptr;  // With done, where there are some; valid as data is.
};

class ClientExchange;

// Towards the client.
class ServerExchange {
 public:
  virtual ~ServerExchange() = default;

  virtual RequestHead& request() = 0;
  // Where the answer's head is made, for whoever serves the exchange: a connection uses one again and again.
  virtual ResponseHead& response() = 0;
  virtual const std::string& client_address() const = 0;

  virtual BodySlice NextBody() = 0;
  virtual Task<bool> FillBody() = 0;
  // FillBody failed because the client took too long; it can still be answered.
  virtual bool body_timed_out() const { return false; }
  // The client took the request back; protocols that can't say so leave it at false.
  virtual bool cancelled() const { return false; }
  // Nobody wants the rest: whoever waits in FillBody is not kept longer than `time`.
  virtual void LimitBody(std::chrono::milliseconds time) = 0;
  // Lets a client that asked first (Expect: 100-continue) send its body. Once; otherwise nothing.
  virtual WriteStatus WriteContinue() = 0;

  // An interim response, sent at once.
  virtual WriteStatus WriteInterim(const ResponseHead& head) = 0;
  // Held back until the first WriteBody or Flush, so that both go out together.
  virtual void WriteHead(const ResponseHead& head) = 0;
  // Fields behind the body, sent with the last WriteBody that follows; dropped where the framing
  // has no place for them.
  virtual void WriteTrailers(const HeaderMap& trailers) = 0;
  virtual WriteStatus WriteBody(std::string_view data, bool last) = 0;
  virtual Task<bool> Flush() = 0;
  // Grants a WebSocket: from here on the bodies of both directions are its bytes, until either side
  // ends.
  virtual void StartTunnel(const ResponseHead& head) = 0;
  // After the last WriteBody of a tunnel: says to the client that nothing more comes.
  virtual Task<> EndTunnel() = 0;
  // The response can't be completed: the client must see that it was cut off.
  virtual void Abort() = 0;

  virtual bool head_written() const = 0;

  // From here on `upstream` is aborted when the client gives this exchange up; nullptr ends that.
  // For protocols that can say so.
  virtual void AbortWhenCancelled(ClientExchange* upstream) = 0;
};

// Towards a backend.
class ClientExchange {
 public:
  virtual ~ClientExchange() = default;

  virtual void WriteHead(const OutgoingRequest& request) = 0;
  // As ServerExchange's.
  virtual void WriteTrailers(const HeaderMap& trailers) = 0;
  virtual WriteStatus WriteBody(std::string_view data, bool last) = 0;
  virtual Task<bool> Flush() = 0;

  enum class HeadResult : uint8_t {
    kOk,
    kClosed,  // Before the first byte of a response.
    kTimeout,
    kMalformed,
    kReset,    // After it.
    kRefused,  // The backend says that it did nothing with the request: it may be sent again.
  };
  // The next response head, interim ones included.
  virtual Task<HeadResult> ReadHead(ResponseHead& head) = 0;
  virtual BodySlice NextBody() = 0;
  virtual Task<bool> FillBody() = 0;

  // After a head that grants a WebSocket, as ServerExchange's.
  virtual void StartTunnel() = 0;

  // When it passes, whatever waits on this exchange fails.
  virtual void SetDeadline(TimePoint at) = 0;
  // Gives the exchange up; what was sent of a request is never completed. Idempotent.
  virtual void Abort() = 0;
  // The deadline passed.
  virtual bool timed_out() const = 0;
  // The connection has carried others before: it may have died unnoticed.
  virtual bool reused() const = 0;
};

}  // namespace apk
