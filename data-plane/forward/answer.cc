// Head and body go out together.
#include "data-plane/forward/answer.h"

#include "data-plane/forward/date.h"
#include "data-plane/http/grpc.h"
#include "data-plane/http/head_writer.h"

namespace apk {
namespace {

// All of it in the head ("Trailers-Only").
Reply AsGrpcStatus(const Reply& reply) {
  Reply status;
  status.status = 200;
  status.content_type = "application/grpc";
  status.headers = reply.headers;
  status.headers.emplace_back("grpc-status", GrpcStatusOf(reply.status));
  status.headers.emplace_back("grpc-message", ReasonPhrase(reply.status));
  return status;
}

}  // namespace

Task<> AnswerWith(ServerExchange* exchange, ExchangeRecord* record, Reply reply) {
  if (reply.status >= 400 && IsGrpc(exchange->request())) reply = AsGrpcStatus(reply);
  ResponseHead head;
  head.status = reply.status;
  head.headers.Add(HeaderId::kDate, HttpDate());
  if (!reply.content_type.empty()) head.headers.Add("Content-Type", reply.content_type);
  for (const auto& [name, value] : reply.headers) head.headers.Add(name, value);
  if (!reply.body.empty()) {
    head.framing.kind = BodyFraming::Kind::kLength;
    head.framing.length = reply.body.size();
  }
  const bool bodiless = exchange->request().method == "HEAD";
  exchange->WriteHead(head);
  const std::string_view body = bodiless ? std::string_view() : reply.body;
  record->status = reply.status;
  record->bytes_out = body.size();
  const WriteStatus status = exchange->WriteBody(body, true);
  bool written = status == WriteStatus::kDone;
  if (status == WriteStatus::kAgain) written = co_await exchange->Flush();
  record->cut_off = !written;
  if (!written) exchange->Abort();
}

}  // namespace apk
