#include "http/client_transfer.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace vk8s::http {
namespace {

constexpr std::size_t kMaxHeaderBytes = 64U << 10U;

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlDeleter>;

std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) {
    return {};
  }
  std::string result(text);
  curl_free(text);
  return result;
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

curl_blob blob_of(const std::string& pem) {
  // libcurl only reads it; the identity outlives the handle.
  return {const_cast<char*>(pem.data()), pem.size(), CURL_BLOB_NOCOPY};
}

Errc code_of(CURLcode code) {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
      return Errc::kUnauthorized;
    case CURLE_OPERATION_TIMEDOUT:
      return Errc::kTimeout;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return Errc::kInvalidArgument;
    case CURLE_OUT_OF_MEMORY:
      return Errc::kExhausted;
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_UNKNOWN_OPTION:
    case CURLE_NOT_BUILT_IN:
      return Errc::kInternal;
    default:
      return Errc::kUnavailable;
  }
}

}  // namespace

Transfer::Transfer(std::uint64_t id, Request request, OnResponse callback)
    : id_(id), request_(std::move(request)), callback_(std::move(callback)), streaming_(false) {}

Transfer::Transfer(std::uint64_t id, Request request, StreamHandlers handlers)
    : id_(id), request_(std::move(request)), handlers_(std::move(handlers)), streaming_(true) {}

Transfer::~Transfer() {
  if (handle_ != nullptr) {
    curl_easy_cleanup(handle_);
  }
  curl_slist_free_all(header_list_);
  curl_slist_free_all(connect_to_);
}

std::string Transfer::description() const {
  const std::size_t end = std::min(request_.url.find('?'), request_.url.size());
  std::string text = request_.method + " " + base::printable(request_.url.substr(0, end), 512);
  if (!request_.server_name.empty()) {
    text += " (as " + base::printable(request_.server_name, 256) + ")";
  }
  return text;
}

Result<Transfer::Target> Transfer::resolve_target() const {
  const Url url(curl_url());
  if (has_control_character(request_.url) ||
      curl_url_set(url.get(), CURLUPART_URL, request_.url.c_str(), CURLU_PATH_AS_IS) != CURLUE_OK) {
    return fail(Errc::kInvalidArgument, "{}: not a valid URL", description());
  }
  const std::string scheme = url_part(url.get(), CURLUPART_SCHEME);
  const std::string host = url_part(url.get(), CURLUPART_HOST);
  const std::string port = url_part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  if (!url_part(url.get(), CURLUPART_USER).empty()) {
    return fail(Errc::kInvalidArgument, "{}: a URL must not hold credentials", description());
  }
  Target target{.url = request_.url,
                .connect_to = "",
                .origin = fmt::format("{}:{} {}", host, port, request_.server_name),
                .tls = scheme == "https"};
  if (!target.tls) {
    if (scheme != "http" || !is_loopback(host)) {
      return fail(Errc::kInvalidArgument, "{}: use https (plain http is for loopback only)",
                  description());
    }
    return target;
  }
  if (!request_.identity || request_.identity->ca_pem.empty()) {
    return fail(Errc::kInvalidArgument, "{}: no CA given to verify the server with", description());
  }
  if (!request_.server_name.empty() && request_.server_name != host) {
    if (!is_token(request_.server_name)) {
      return fail(Errc::kInvalidArgument, "{}: the server name is not a DNS name", description());
    }
    curl_url_set(url.get(), CURLUPART_HOST, request_.server_name.c_str(), 0);
    target.url = url_part(url.get(), CURLUPART_URL);
    target.connect_to = fmt::format("{}:{}:{}:{}", request_.server_name, port, host, port);
  }
  return target;
}

Status Transfer::add_headers() {
  const auto append = [this](const std::string& line) {
    curl_slist* longer = curl_slist_append(header_list_, line.c_str());
    header_list_ = longer != nullptr ? longer : header_list_;
  };
  append("Expect:");  // never wait for 100-continue
  bool typed = false;
  for (const auto& [name, value] : request_.headers) {
    if (!is_token(name) || has_control_character(value)) {
      return fail(Errc::kInvalidArgument, "{}: header {} is malformed", description(),
                  base::printable(name, 64));
    }
    typed = typed || lower(name) == "content-type";
    append(value.empty() ? name + ";" : name + ": " + value);
  }
  if (!request_.body.empty() && !typed) {
    append("Content-Type: application/json");
  }
  curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, header_list_);
  return {};
}

void Transfer::set_tls(const TlsIdentity& identity) {
  curl_easy_setopt(handle_, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(handle_, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(handle_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  // The system's CA folder is a default of the library: without this it would be
  // trusted beside the blob.
  curl_easy_setopt(handle_, CURLOPT_CAPATH, nullptr);
  curl_easy_setopt(handle_, CURLOPT_CAINFO, nullptr);
  curl_blob blob = blob_of(identity.ca_pem);
  curl_easy_setopt(handle_, CURLOPT_CAINFO_BLOB, &blob);
  if (!identity.client_certificate_pem.empty()) {
    blob = blob_of(identity.client_certificate_pem);
    curl_easy_setopt(handle_, CURLOPT_SSLCERT_BLOB, &blob);
    curl_easy_setopt(handle_, CURLOPT_SSLCERTTYPE, "PEM");
    blob = blob_of(identity.client_key_pem);
    curl_easy_setopt(handle_, CURLOPT_SSLKEY_BLOB, &blob);
    curl_easy_setopt(handle_, CURLOPT_SSLKEYTYPE, "PEM");
  }
  curl_easy_setopt(handle_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  curl_easy_setopt(handle_, CURLOPT_PIPEWAIT, 1L);  // share the connection being made
}

void Transfer::set_body() {
  if (!request_.body.empty() || request_.method == "POST" || request_.method == "PUT" ||
      request_.method == "PATCH") {
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDS, request_.body.c_str());
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request_.body.size()));
  } else if (request_.method == "HEAD") {
    curl_easy_setopt(handle_, CURLOPT_NOBODY, 1L);
  }
  curl_easy_setopt(handle_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

Status Transfer::prepare(const ClientOptions& options, const EngineHooks& hooks) {
  news_ = hooks.news;
  if (!is_token(request_.method)) {
    return fail(Errc::kInvalidArgument, "HTTP method {} is malformed",
                base::printable(request_.method, 32));
  }
  const Target target = VK8S_TRY(resolve_target());
  origin_ = target.origin;
  handle_ = curl_easy_init();
  if (handle_ == nullptr) {
    return fail(Errc::kExhausted, "{}: no memory for a request", description());
  }
  curl_easy_setopt(handle_, CURLOPT_URL, target.url.c_str());
  curl_easy_setopt(handle_, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle_, CURLOPT_PROTOCOLS_STR, target.tls ? "https" : "http");
  curl_easy_setopt(handle_, CURLOPT_PROXY, "");
  curl_easy_setopt(handle_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle_, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle_, CURLOPT_ERRORBUFFER, error_text_);
  curl_easy_setopt(handle_, CURLOPT_USERAGENT, options.user_agent.c_str());
  curl_easy_setopt(handle_, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(options.connect_timeout.count()));
  curl_easy_setopt(handle_, CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
  curl_easy_setopt(handle_, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  curl_easy_setopt(handle_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  curl_easy_setopt(handle_, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(handle_, CURLOPT_PRIVATE, this);
  curl_easy_setopt(handle_, CURLOPT_OPENSOCKETFUNCTION, hooks.open_socket);
  curl_easy_setopt(handle_, CURLOPT_OPENSOCKETDATA, hooks.context);
  curl_easy_setopt(handle_, CURLOPT_CLOSESOCKETFUNCTION, hooks.close_socket);
  curl_easy_setopt(handle_, CURLOPT_CLOSESOCKETDATA, hooks.context);
  set_body();
  if (target.tls) {
    set_tls(*request_.identity);
  }
  if (!target.connect_to.empty()) {
    connect_to_ = curl_slist_append(nullptr, target.connect_to.c_str());
    curl_easy_setopt(handle_, CURLOPT_CONNECT_TO, connect_to_);
  }
  return add_headers();
}

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<Transfer*>(self)->header_line({data, size * count});
}

std::size_t Transfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<Transfer*>(self)->body_bytes({data, size * count});
}

std::size_t Transfer::header_line(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxHeaderBytes) {
    own_error_ = Error(Errc::kTooLarge, fmt::format("{}: response headers exceed {} bytes",
                                                    description(), kMaxHeaderBytes));
    return 0;
  }
  const std::string_view text = base::trim(line);
  if (headers_complete_) {
    return line.size();  // trailers
  }
  if (line.starts_with("HTTP/")) {
    response_.headers.clear();
    return line.size();
  }
  if (text.empty()) {
    long status = 0;
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    response_.status = static_cast<int>(status);
    headers_complete_ = status >= 200;
    if (streaming_ && headers_complete_) {
      queue_news();
    }
    return line.size();
  }
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    const std::string_view value = base::trim(text.substr(colon + 1));
    response_.headers[lower(text.substr(0, colon))] = std::string(value);
  }
  return line.size();
}

std::size_t Transfer::body_bytes(std::string_view bytes) {
  if (!streaming_ && response_.body.size() + bytes.size() > request_.max_body_bytes) {
    own_error_ = Error(Errc::kTooLarge, fmt::format("{}: response exceeds {} bytes", description(),
                                                    request_.max_body_bytes));
    return 0;
  }
  response_.body.append(bytes);
  if (streaming_) {
    queue_news();
  }
  return bytes.size();
}

Error Transfer::error_of(CURLcode code) const {
  if (own_error_) {
    return *own_error_;
  }
  const char* why = error_text_[0] != '\0' ? error_text_ : curl_easy_strerror(code);
  return {code_of(code), fmt::format("{}: {}", description(), base::printable(why, 512))};
}

void Transfer::finish(CURLcode code) {
  if (code == CURLE_OK) {
    result_ = Status();
  } else {
    result_ = tl::unexpected<Error>(error_of(code));
  }
  queue_news();
}

void Transfer::finish(Error error) {
  result_ = tl::unexpected<Error>(std::move(error));
  queue_news();
}

void Transfer::queue_news() {
  if (!std::exchange(news_queued_, true)) {
    news_->push_back(id_);
  }
}

Transfer::Told Transfer::tell() {
  if (streaming_ && headers_complete_ && !response_told_) {
    response_told_ = true;
    if (handlers_.on_response) {
      handlers_.on_response({.status = response_.status, .headers = response_.headers, .body = ""});
      return Told::kSome;
    }
  }
  if (streaming_ && !response_.body.empty()) {
    const std::string bytes = std::exchange(response_.body, {});
    handlers_.on_data(bytes);
    return Told::kSome;
  }
  if (!result_) {
    return Told::kNothing;
  }
  if (streaming_) {
    handlers_.on_done(std::move(*result_));
  } else if (*result_) {
    callback_(std::move(response_));
  } else {
    callback_(tl::unexpected<Error>(std::move(*result_).error()));
  }
  return Told::kDone;
}

}  // namespace vk8s::http
