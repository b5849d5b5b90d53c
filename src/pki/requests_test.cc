#include <gmock/gmock.h>
#include <openssl/pem.h>
#include <rapidcheck/gtest.h>

#include "pki/names.h"
#include "pki/openssl.h"
#include "pki/pki.h"

namespace vk8s::pki {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Builds requests, also such as no honest client would send.
class RequestBuilder {
 public:
  RequestBuilder() : key_(generate_key().value()), request_(X509_REQ_new()) {
    X509_REQ_set_pubkey(request_.get(), key_.get());
  }
  RequestBuilder& subject(int nid, std::string_view text) {
    X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(request_.get()), nid, V_ASN1_UTF8STRING,
                               reinterpret_cast<const unsigned char*>(text.data()),
                               static_cast<int>(text.size()), -1, 0);
    return *this;
  }
  // In OpenSSL's own syntax: "DNS:a,IP:1.2.3.4,email:x@y".
  RequestBuilder& names(const std::string& value) {
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, value.c_str());
    EXPECT_NE(extension, nullptr) << value;
    sk_X509_EXTENSION_push(extensions_.get(), extension);
    return *this;
  }
  // Ends a list of extensions; the next names() begin another one.
  RequestBuilder& end_list(int nid = NID_ext_req) {
    EXPECT_EQ(X509_REQ_add_extensions_nid(request_.get(), extensions_.get(), nid), 1);
    extensions_.reset(sk_X509_EXTENSION_new_null());
    return *this;
  }
  // Makes the last list another one of the usual kind: OpenSSL itself adds no second.
  RequestBuilder& rename_last_list() {
    X509_ATTRIBUTE* last =
        X509_REQ_get_attr(request_.get(), X509_REQ_get_attr_count(request_.get()) - 1);
    EXPECT_EQ(X509_ATTRIBUTE_set1_object(last, OBJ_nid2obj(NID_ext_req)), 1);
    return *this;
  }
  // Puts a second value into the set that the first list is the only member of.
  RequestBuilder& second_value() {
    X509_ATTRIBUTE* list = X509_REQ_get_attr(request_.get(), 0);
    EXPECT_EQ(X509_ATTRIBUTE_set1_data(list, V_ASN1_UTF8STRING, "x", 1), 1);
    return *this;
  }
  std::string pem() {
    if (sk_X509_EXTENSION_num(extensions_.get()) > 0) {
      end_list();
    }
    X509_REQ_sign(request_.get(), key_.get(), EVP_sha256());
    return written();
  }
  std::string pem_signed_by_another_key() {
    const KeyPtr other = generate_key().value();
    X509_REQ_sign(request_.get(), other.get(), EVP_sha256());
    return written();
  }

 private:
  std::string written() {
    const BioPtr bio = memory_bio().value();
    PEM_write_bio_X509_REQ(bio.get(), request_.get());
    return content(bio.get());
  }

  KeyPtr key_;
  RequestPtr request_;
  ExtensionsPtr extensions_{sk_X509_EXTENSION_new_null()};
};

RequestBuilder node_request() {
  RequestBuilder builder;
  builder.subject(NID_organizationName, "system:nodes").subject(NID_commonName, "system:node:w1");
  return builder;
}

void expect_refused(const std::string& pem, const char* reason) {
  const auto info = parse_certificate_request(pem);
  ASSERT_FALSE(info) << reason;
  EXPECT_EQ(info.error().code(), Errc::kInvalidArgument);
  EXPECT_THAT(info.error().message(), HasSubstr(reason));
}

TEST(CertificateRequest, SaysWhatItAsksFor) {
  const auto info =
      parse_certificate_request(node_request().names("DNS:w1-0,DNS:w1,IP:10.0.0.7").pem());
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_EQ(info->subject.common_name, "system:node:w1");
  EXPECT_THAT(info->subject.organizations, ElementsAre("system:nodes"));
  EXPECT_THAT(info->dns_names, ElementsAre("w1-0", "w1"));
  EXPECT_THAT(info->ip_addresses, ElementsAre("10.0.0.7"));
  EXPECT_THAT(info->other_names, IsEmpty());
}

TEST(CertificateRequest, MayHaveNoNames) {
  const auto info = parse_certificate_request(node_request().pem());
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_THAT(info->dns_names, IsEmpty());
  EXPECT_THAT(info->ip_addresses, IsEmpty());
}

TEST(CertificateRequest, ShowsOtherNamesForRefusal) {
  const auto info = parse_certificate_request(
      node_request().names("email:a@b.c,URI:https://x/,RID:1.2.3,DNS:A b,DNS:ok").pem());
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_THAT(info->other_names, ElementsAre("email:a@b.c", "URI:https://x/", "type 8", "DNS:A b"));
  EXPECT_THAT(info->dns_names, ElementsAre("ok"));
}

TEST(CertificateRequest, RefusesASignatureOfAnotherKey) {
  expect_refused(node_request().pem_signed_by_another_key(), "not by its own key");
}

TEST(CertificateRequest, RefusesTwoListsOfExtensions) {
  expect_refused(node_request()
                     .names("DNS:w1")
                     .end_list()
                     .names("DNS:evil")
                     .end_list(NID_ms_ext_req)
                     .rename_last_list()
                     .pem(),
                 "more than one list");
  expect_refused(node_request().names("DNS:w1").end_list().second_value().pem(),
                 "more than one list");
  expect_refused(node_request().names("DNS:w1").end_list(NID_ms_ext_req).pem(),
                 "more than one list");
}

TEST(CertificateRequest, RefusesTheSameExtensionTwice) {
  expect_refused(node_request().names("DNS:w1").names("DNS:evil").pem(), "alternative names");
}

TEST(CertificateRequest, RefusesTwoCommonNames) {
  expect_refused(node_request().subject(NID_commonName, "system:node:evil").pem(),
                 "two common names");
}

TEST(CertificateRequest, RefusesControlCharactersInTheSubject) {
  RequestBuilder builder;
  builder.subject(NID_commonName, std::string_view("system:node:w1\0.evil", 20));
  expect_refused(builder.pem(), "control characters");
}

TEST(CertificateRequest, RefusesTooManyNames) {
  std::string names = "DNS:n0";
  for (int i = 1; i <= 64; ++i) {
    names += ",DNS:n" + std::to_string(i);
  }
  expect_refused(node_request().names(names).pem(), "65 alternative names");
}

TEST(CertificateRequest, RefusesAnythingButOneBlock) {
  const std::string pem = node_request().pem();
  EXPECT_TRUE(parse_certificate_request("\n" + pem + "\n"));
  expect_refused("", "not one PEM block");
  expect_refused(pem + pem, "not one PEM block");
  expect_refused("x\n" + pem, "not one PEM block");
  expect_refused(pem + "x", "not one PEM block");
  expect_refused(pem + std::string(20000, '\n'), "at most");
  expect_refused("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
                 "PEM");
}

RC_GTEST_PROP(CertificateRequest, SurvivesAnyBytes, (const std::string& bytes)) {
  RC_ASSERT(!parse_certificate_request(bytes));
  RC_ASSERT(!parse_certificate_request("-----BEGIN CERTIFICATE REQUEST-----\n" +
                                       base64_encode(bytes) +
                                       "\n-----END CERTIFICATE REQUEST-----\n"));
}

}  // namespace
}  // namespace vk8s::pki
