#include "pki/names.h"

#include "base/cidr.h"
#include "base/names.h"
#include "base/text.h"

namespace vk8s::pki {
namespace {

// A limit of our own: a subject is a name and some groups.
constexpr int kMaxSubjectEntries = 64;

bool is_showable(std::string_view text) { return base::printable(text, text.size()) == text; }

Status add_entry(X509_NAME* name, int nid, std::string_view what, const std::string& value) {
  if (value.empty() || value.size() > 64 || !is_showable(value)) {
    return fail(Errc::kInvalidArgument,
                "{} \"{}\" of a certificate: it needs 1 to 64 printable bytes", what,
                base::printable(value, 80));
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
  if (X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, bytes, static_cast<int>(value.size()),
                                 -1, 0) != 1) {
    return fail_openssl(Errc::kInternal, fmt::format("set {} of a certificate", what));
  }
  return {};
}

Result<std::string> entry_text(const X509_NAME_ENTRY* entry) {
  unsigned char* raw = nullptr;
  const int size = ASN1_STRING_to_UTF8(&raw, X509_NAME_ENTRY_get_data(entry));
  if (size < 0) {
    return fail_openssl(Errc::kInvalidArgument, "read the subject");
  }
  const BytesPtr owner(raw);
  std::string text(reinterpret_cast<const char*>(raw), static_cast<std::size_t>(size));
  if (!is_showable(text)) {
    return fail(Errc::kInvalidArgument, "the subject holds control characters: \"{}\"",
                base::printable(text, 80));
  }
  return text;
}

Status push(GENERAL_NAMES* names, int type, Asn1StringPtr value) {
  GeneralNamePtr name(GENERAL_NAME_new());
  if (!name || !value) {
    return fail_openssl(Errc::kInternal, "make a subject alternative name");
  }
  GENERAL_NAME_set0_value(name.get(), type, value.release());
  if (sk_GENERAL_NAME_push(names, name.get()) <= 0) {
    return fail_openssl(Errc::kInternal, "add a subject alternative name");
  }
  name.release();
  return {};
}

Asn1StringPtr make_string(int type, const void* data, std::size_t size) {
  Asn1StringPtr text(ASN1_STRING_type_new(type));
  if (text && ASN1_STRING_set(text.get(), data, static_cast<int>(size)) != 1) {
    text.reset();
  }
  return text;
}

std::string_view bytes_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string other_name(const GENERAL_NAME* name) {
  switch (name->type) {
    case GEN_EMAIL:
      return "email:" + base::printable(bytes_of(name->d.rfc822Name), 253);
    case GEN_URI:
      return "URI:" + base::printable(bytes_of(name->d.uniformResourceIdentifier), 253);
    default:
      return fmt::format("type {}", name->type);
  }
}

// A name that is not what its type says (a DNS name with spaces, an address of
// three bytes) goes to the others, which callers refuse.
void take_name(const GENERAL_NAME* name, AlternativeNames& out) {
  if (name->type == GEN_DNS) {
    const std::string_view text = bytes_of(name->d.dNSName);
    const bool valid = base::is_certificate_dns_name(text);
    (valid ? out.dns_names : out.other_names)
        .push_back(valid ? std::string(text) : "DNS:" + base::printable(text, 253));
    return;
  }
  if (name->type == GEN_IPADD) {
    const std::string_view raw = bytes_of(name->d.iPAddress);
    const auto address =
        IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(raw.data()), raw.size()});
    (address ? out.ip_addresses : out.other_names)
        .push_back(address ? address->to_string() : "IP: " + address.error().message());
    return;
  }
  out.other_names.push_back(other_name(name));
}

}  // namespace

Result<NamePtr> to_x509_name(const Subject& subject) {
  NamePtr name(X509_NAME_new());
  if (!name) {
    return fail_openssl(Errc::kInternal, "make a subject");
  }
  for (const std::string& organization : subject.organizations) {
    VK8S_TRY(add_entry(name.get(), NID_organizationName, "organization", organization));
  }
  VK8S_TRY(add_entry(name.get(), NID_commonName, "common name", subject.common_name));
  return name;
}

Result<Subject> from_x509_name(const X509_NAME* name) {
  Subject subject;
  const int count = X509_NAME_entry_count(name);
  if (count > kMaxSubjectEntries) {
    return fail(Errc::kInvalidArgument, "the subject has {} entries: at most {} are read", count,
                kMaxSubjectEntries);
  }
  bool has_common_name = false;
  for (int i = 0; i < count; ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (nid == NID_organizationName) {
      subject.organizations.push_back(VK8S_TRY(entry_text(entry)));
    } else if (nid == NID_commonName) {
      if (has_common_name) {
        return fail(Errc::kInvalidArgument, "the subject has two common names");
      }
      has_common_name = true;
      subject.common_name = VK8S_TRY(entry_text(entry));
    }
  }
  return subject;
}

Result<GeneralNamesPtr> to_general_names(const std::vector<std::string>& dns_names,
                                         const std::vector<std::string>& ip_addresses) {
  GeneralNamesPtr names(GENERAL_NAMES_new());
  if (!names) {
    return fail_openssl(Errc::kInternal, "make a list of subject alternative names");
  }
  for (const std::string& name : dns_names) {
    if (!base::is_certificate_dns_name(name)) {
      return fail(Errc::kInvalidArgument, "\"{}\" is not a DNS name for a certificate",
                  base::printable(name, 253));
    }
    VK8S_TRY(push(names.get(), GEN_DNS, make_string(V_ASN1_IA5STRING, name.data(), name.size())));
  }
  for (const std::string& text : ip_addresses) {
    const IpAddress address = VK8S_TRY(IpAddress::parse(text));
    VK8S_TRY(
        push(names.get(), GEN_IPADD,
             make_string(V_ASN1_OCTET_STRING, address.bytes().data(), address.bytes().size())));
  }
  return names;
}

Result<AlternativeNames> from_general_names(const GENERAL_NAMES* names, std::size_t max_names) {
  AlternativeNames out;
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names);
  if (static_cast<std::size_t>(count) > max_names) {
    return fail(Errc::kInvalidArgument, "{} alternative names: at most {} are read", count,
                max_names);
  }
  for (int i = 0; i < count; ++i) {
    take_name(sk_GENERAL_NAME_value(names, i), out);
  }
  return out;
}

}  // namespace vk8s::pki
