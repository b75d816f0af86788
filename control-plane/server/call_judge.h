// Which calls begin at a gRPC port, and how many of a user at a time. Who is nobody, or asks for
// too much, is refused before anything of a message is read; what those may who are somebody is for
// the services to say.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "control-plane/access/limits.h"
#include "control-plane/authentication/authenticator.h"
#include "control-plane/server/reloading_credentials.h"

namespace apk {

// Both outlive it. Discovery decides for itself; health is for whoever is let in, agents and users,
// and reflection for users.
CallJudge JudgeOf(const Authenticator& authenticator, Limits& limits);

// Tells the limits when calls that were let in run, and when they have ended: the last byte of an
// answer was taken by the connection.
using CallCounter = grpc::experimental::ServerInterceptorFactoryInterface;
std::unique_ptr<CallCounter> CounterOf(const Authenticator& authenticator, Limits& limits);

}  // namespace apk
