// What holds for every configuration: order does not matter, statuses settle, times stay.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "apk/v1/core.pb.h"
#include "apk/v1/gateway.pb.h"
#include "apk/v1/policies.pb.h"
#include "common/strings.h"
#include "control-plane/translation/translator.h"
#include "tests/golden/golden_case.h"

namespace apk::golden {
namespace {

constexpr char kLater[] = "2027-07-07T07:07:07Z";

class TranslateProperty : public testing::TestWithParam<std::string> {
 protected:
  const std::string input_ = ReadCase(GetParam()).input;
  const ResourceSet resources_ = ReadResources(input_);
  const FleetReport fleet_ = ReadFleet(input_);
};

ResourceSet WithUpdates(ResourceSet resources, const Translation& translation) {
  for (const ResourcePtr& object : translation.status_updates) resources.Put(object);
  return resources;
}

TEST_P(TranslateProperty, OrderOfInsertionDoesNotMatter) {
  const Translation expected = Translate(resources_, fleet_, 7, kNow);
  std::vector<ResourcePtr> objects;
  for (const auto& [key, object] : resources_.resources()) {
    // A copy at another address: nothing may depend on where an object lies.
    std::shared_ptr<google::protobuf::Message> copy(object->New());
    copy->CopyFrom(*object);
    objects.push_back(std::move(copy));
  }
  std::mt19937 random(1);
  for (int round = 0; round < 10; ++round) {
    std::shuffle(objects.begin(), objects.end(), random);
    ResourceSet shuffled;
    for (const ResourcePtr& object : objects) shuffled.Put(object);
    const Translation actual = Translate(shuffled, fleet_, 7, kNow);
    ASSERT_EQ(expected.snapshot.SerializeAsString(), actual.snapshot.SerializeAsString());
    ASSERT_EQ(Print(expected), Print(actual));
  }
}

// A thousand of them over all files: in one go, and by a translator that has seen a part before.
TEST_P(TranslateProperty, NoOrderOfChangesMakesOtherBytes) {
  const size_t rounds = 1000 / AllCases().size() + 1;
  const auto bytes = [](const Translator::Result& result) {
    return result.snapshot->whole()->ToProto().SerializeAsString();
  };
  const std::string expected = bytes(Translator().Translate(resources_, fleet_, 7, kNow));
  std::vector<ResourcePtr> objects;
  for (const auto& [key, object] : resources_.resources()) objects.push_back(object);
  std::mt19937 random(2);
  for (size_t round = 0; round < rounds; ++round) {
    std::shuffle(objects.begin(), objects.end(), random);
    Translator translator;
    ResourceSet resources;
    const size_t first = random() % (objects.size() + 1);
    for (size_t i = 0; i < objects.size(); ++i) {
      if (i == first) translator.Translate(resources, fleet_, 6, kNow);
      resources.Put(objects[i]);
    }
    ASSERT_EQ(expected, bytes(translator.Translate(resources, fleet_, 7, kNow))) << round;
  }
}

TEST_P(TranslateProperty, StatusesSettleAtOnceAndThenStayAsTheyAre) {
  const Translation first = Translate(resources_, fleet_, 7, kNow);
  const Translation second = Translate(WithUpdates(resources_, first), fleet_, 8, kLater);
  EXPECT_EQ(first.snapshot.version(), second.snapshot.version());
  for (const ResourcePtr& object : second.status_updates) {
    ADD_FAILURE() << KeyOf(*object).ToString() << " changed again: " << object->DebugString();
  }
}

TEST_P(TranslateProperty, ResourcesAreSortedUniqueAndHashed) {
  const v1::Snapshot snapshot = Translate(resources_, fleet_, 7, kNow).snapshot;
  std::string previous;
  for (const v1::SnapshotResource& resource : snapshot.resources()) {
    EXPECT_LT(previous, resource.name());
    EXPECT_EQ(resource.hash().size(), 16u);
    previous = resource.name();
  }
  EXPECT_EQ(snapshot.version().size(), 32u);
  EXPECT_EQ(snapshot.revision(), 7u);
}

TEST_P(TranslateProperty, AnyOneObjectMayBeMissing) {
  for (const auto& [key, object] : resources_.resources()) {
    ResourceSet fewer = resources_;
    fewer.Remove(key);
    const Translation translation = Translate(fewer, fleet_, 7, kNow);
    for (const ResourcePtr& update : translation.status_updates) {
      EXPECT_NE(KeyOf(*update), key) << "a status for an object that is not there";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, TranslateProperty, testing::ValuesIn(AllCases()), CaseName);

constexpr char kGateway[] = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: apk}
spec: {controllerName: apk.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: default}
spec:
  gatewayClassName: apk
  listeners:
  - name: https
    port: 8443
    protocol: HTTPS
    tls: {certificateRefs: [{name: cert, namespace: certs}]}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: grant, namespace: certs}
spec:
  from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: default}]
  to: [{group: "", kind: Secret}]
)";

const FleetReport kOneAgent{
    .groups = {{.labels = {}, .agents = 1, .versions = {}, .addresses = {"127.0.0.1"}}},
    .listener_errors = {},
    .held_back = {}};

const v1::Condition& ConditionOf(
    const google::protobuf::RepeatedPtrField<v1::Condition>& conditions, const std::string& type) {
  return *std::find_if(
      conditions.begin(), conditions.end(),
      [&type](const v1::Condition& condition) { return condition.type() == type; });
}

v1::Gateway GatewayOf(const ResourceSet& resources) {
  return *resources.Find<v1::Gateway>("default", "web");
}

TEST(TranslateStatus, TransitionTimeChangesOnlyWithTheStatus) {
  ResourceSet resources = ReadResources(kGateway);
  resources = WithUpdates(resources, Translate(resources, FleetReport(), 1, kNow));
  auto gateway = std::make_shared<v1::Gateway>(GatewayOf(resources));
  // The certificate is missing from the start; now its name changes, and with it the message alone.
  gateway->mutable_metadata()->set_generation(2);
  gateway->mutable_spec()
      ->mutable_listeners(0)
      ->mutable_tls()
      ->mutable_certificate_refs(0)
      ->set_name("renamed");
  resources.Put(gateway);
  resources = WithUpdates(resources, Translate(resources, FleetReport(), 2, kLater));
  const v1::Gateway updated = GatewayOf(resources);
  const v1::Condition& resolved =
      ConditionOf(updated.status().listeners(0).conditions(), "ResolvedRefs");
  EXPECT_EQ(resolved.status(), "False");
  EXPECT_EQ(resolved.observed_generation(), 2);
  EXPECT_NE(resolved.message().find("renamed"), std::string::npos);
  EXPECT_EQ(resolved.last_transition_time(), kNow);
}

TEST(TranslateStatus, ProgrammedTurnsTrueWhenAnAgentConnects) {
  ResourceSet resources = ReadResources(std::string(kGateway) + "---" + R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: default}
spec:
  gatewayClassName: apk
  listeners: [{name: http, port: 8080, protocol: HTTP}]
)");
  resources = WithUpdates(resources, Translate(resources, FleetReport(), 1, kNow));
  const v1::Gateway before = GatewayOf(resources);
  EXPECT_EQ(ConditionOf(before.status().conditions(), "Programmed").reason(), "Pending");
  resources = WithUpdates(resources, Translate(resources, kOneAgent, 2, kLater));
  const v1::Gateway after = GatewayOf(resources);
  EXPECT_EQ(ConditionOf(after.status().conditions(), "Programmed").status(), "True");
  EXPECT_EQ(ConditionOf(after.status().conditions(), "Programmed").last_transition_time(), kLater);
  EXPECT_EQ(ConditionOf(after.status().conditions(), "Accepted").last_transition_time(), kNow);
}

TEST(TranslateStatus, AClassOfThisControllerIsAcceptedAndListsFeaturesInOrder) {
  ResourceSet resources = ReadResources(kGateway);
  resources = WithUpdates(resources, Translate(resources, kOneAgent, 1, kNow));
  const auto& status = resources.Find<v1::GatewayClass>("", "apk")->status();
  EXPECT_EQ(ConditionOf(status.conditions(), "Accepted").status(), "True");
  std::vector<std::string> names;
  for (const auto& feature : status.supported_features()) names.push_back(feature.name());
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_TRUE(std::binary_search(names.begin(), names.end(), "HTTPRouteRequestMirror"));
}

TEST(TranslateStatus, AGatewayWhoseClassGoesIsWaitingForAControllerAgain) {
  ResourceSet resources = ReadResources(kGateway);
  resources = WithUpdates(resources, Translate(resources, kOneAgent, 1, kNow));
  EXPECT_EQ(ConditionOf(GatewayOf(resources).status().conditions(), "Accepted").reason(),
            "ListenersNotValid");
  resources.Remove({"gateway.networking.k8s.io", "GatewayClass", "", "apk"});
  resources = WithUpdates(resources, Translate(resources, kOneAgent, 2, kLater));
  const v1::GatewayStatus status = GatewayOf(resources).status();
  EXPECT_EQ(status.listeners_size(), 0);
  for (const char* const type : {"Accepted", "Programmed"}) {
    EXPECT_EQ(ConditionOf(status.conditions(), type).status(), "Unknown");
    EXPECT_EQ(ConditionOf(status.conditions(), type).reason(), "Pending");
  }
  EXPECT_TRUE(Translate(resources, kOneAgent, 3, kLater).status_updates.empty());
}

TEST(TranslateStatus, AClassOfAnotherControllerIsLeftAlone) {
  const ResourceSet resources = ReadResources(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: foreign}
spec: {controllerName: example.com/controller}
)");
  EXPECT_TRUE(Translate(resources, kOneAgent, 1, kNow).status_updates.empty());
}

constexpr char kPolicies[] = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: apk}
spec: {controllerName: apk.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: default}
spec:
  gatewayClassName: apk
  listeners:
  - {name: http, port: 8080, protocol: HTTP}
---
apiVersion: dp.wso2.com/v1alpha2
kind: API
metadata: {name: a, namespace: default}
spec: {apiName: a, apiType: REST, apiVersion: "1.0", basePath: /a/1.0, production: [{routeRefs: [a]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: a, namespace: default}
spec:
  parentRefs: [{name: web}]
  rules:
  - filters: [{type: RequestRedirect, requestRedirect: {hostname: elsewhere.example}}]
---
apiVersion: dp.wso2.com/v1alpha2
kind: Authentication
metadata: {name: the-oldest, namespace: default, creationTimestamp: "2025-01-01T00:00:00Z"}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: API, name: a}
  default: {authTypes: {jwt: {audience: [weak]}}}
  override: {authTypes: {jwt: {audience: [one, two]}}}
---
apiVersion: dp.wso2.com/v1alpha2
kind: Authentication
metadata: {name: a-younger, namespace: default, creationTimestamp: "2025-06-01T00:00:00Z"}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: API, name: a}
  default: {disabled: true}
---
apiVersion: dp.wso2.com/v1alpha2
kind: Authentication
metadata: {name: dangling, namespace: default}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: API, name: missing}
---
apiVersion: dp.wso2.com/v1alpha2
kind: Authentication
metadata: {name: elsewhere, namespace: default}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: API, name: a, namespace: other}
---
apiVersion: dp.wso2.com/v1alpha2
kind: Authentication
metadata: {name: of-rules, namespace: default}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Resource, name: anything}
)";

std::string PolicyReason(const ResourceSet& resources, const std::string& name) {
  const auto* const policy = resources.Find<v1::Authentication>("default", name);
  const v1::Condition& condition = ConditionOf(policy->status().conditions(), "Accepted");
  return Concat(condition.status(), " ", condition.reason());
}

TEST(TranslatePolicies, EachSaysWhetherItIsInForce) {
  ResourceSet resources = ReadResources(kPolicies);
  resources = WithUpdates(resources, Translate(resources, kOneAgent, 1, kNow));
  EXPECT_EQ(PolicyReason(resources, "the-oldest"), "True Accepted");
  EXPECT_EQ(PolicyReason(resources, "a-younger"), "False Conflicted");
  EXPECT_EQ(PolicyReason(resources, "dangling"), "False TargetNotFound");
  EXPECT_EQ(PolicyReason(resources, "elsewhere"), "False RefNotPermitted");
  EXPECT_EQ(PolicyReason(resources, "of-rules"), "True Accepted");
}

TEST(TranslatePolicies, TheStrongestListOfAudiencesCounts) {
  const Translation translation = Translate(ReadResources(kPolicies), kOneAgent, 1, kNow);
  std::vector<std::string> audiences;
  for (const v1::SnapshotResource& resource : translation.snapshot.resources()) {
    if (!resource.has_route()) continue;
    const auto& wanted = resource.route().rules(0).authentication().audiences();
    audiences.assign(wanted.begin(), wanted.end());
  }
  EXPECT_EQ(audiences, (std::vector<std::string>{"one", "two"}));
}

using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

KeyPtr NewKey() { return KeyPtr(EVP_EC_gen("P-256"), &EVP_PKEY_free); }

std::string Content(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string KeyPem(EVP_PKEY* key, const char* passphrase) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, passphrase == nullptr ? nullptr : EVP_aes_128_cbc(),
                                nullptr, 0, nullptr, const_cast<char*>(passphrase));
  return Content(bio.get());
}

std::string CertificatePem(EVP_PKEY* key) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key);
  X509_sign(certificate.get(), key, EVP_sha256());
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_X509(bio.get(), certificate.get());
  return Content(bio.get());
}

struct Served {
  bool listener = false;
  bool certificate = false;
  std::string message;  // Of ResolvedRefs.
};

Served Serve(const std::string& certificate, const std::string& key) {
  ResourceSet resources = ReadResources(kGateway);
  auto secret = std::make_shared<v1::Secret>();
  secret->mutable_metadata()->set_name("cert");
  secret->mutable_metadata()->set_namespace_("certs");
  (*secret->mutable_data())["tls.crt"] = certificate;
  (*secret->mutable_data())["tls.key"] = key;
  resources.Put(secret);
  const Translation translation = Translate(resources, kOneAgent, 1, kNow);
  Served served;
  for (const v1::SnapshotResource& resource : translation.snapshot.resources()) {
    served.listener = served.listener || resource.has_listener();
    served.certificate = served.certificate || resource.has_certificate();
  }
  const v1::Gateway gateway = GatewayOf(WithUpdates(resources, translation));
  served.message =
      ConditionOf(gateway.status().listeners(0).conditions(), "ResolvedRefs").message();
  return served;
}

TEST(TranslateCertificates, AKeyThatBelongsToTheCertificateIsServed) {
  const KeyPtr key = NewKey();
  const Served served = Serve(CertificatePem(key.get()), KeyPem(key.get(), nullptr));
  EXPECT_TRUE(served.listener);
  EXPECT_TRUE(served.certificate);
}

TEST(TranslateCertificates, AKeyOfAnotherCertificateIsNotSent) {
  const Served served = Serve(CertificatePem(NewKey().get()), KeyPem(NewKey().get(), nullptr));
  EXPECT_FALSE(served.listener);
  EXPECT_FALSE(served.certificate);
  EXPECT_NE(served.message.find("does not belong"), std::string::npos) << served.message;
}

TEST(TranslateCertificates, AKeyWithPassphraseIsRefusedAndNobodyIsAskedForIt) {
  const KeyPtr key = NewKey();
  const Served served = Serve(CertificatePem(key.get()), KeyPem(key.get(), "secret"));
  EXPECT_FALSE(served.listener);
  EXPECT_FALSE(served.certificate);
  EXPECT_NE(served.message.find("without passphrase"), std::string::npos) << served.message;
}

}  // namespace
}  // namespace apk::golden
