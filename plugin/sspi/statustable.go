package sspi

// The status codes of the Security Support Provider Interface, as Winerror.h numbers and spells them. Number and severity are the whole
// 32 bits: four pairs of them agree in the low 16.
const (
	SEC_E_OK                            Status = 0x00000000
	SEC_I_CONTINUE_NEEDED               Status = 0x00090312
	SEC_I_COMPLETE_NEEDED               Status = 0x00090313
	SEC_I_COMPLETE_AND_CONTINUE         Status = 0x00090314
	SEC_I_LOCAL_LOGON                   Status = 0x00090315
	SEC_I_CONTEXT_EXPIRED               Status = 0x00090317
	SEC_I_INCOMPLETE_CREDENTIALS        Status = 0x00090320
	SEC_I_RENEGOTIATE                   Status = 0x00090321
	SEC_I_NO_LSA_CONTEXT                Status = 0x00090323
	SEC_E_INSUFFICIENT_MEMORY           Status = 0x80090300
	SEC_E_INVALID_HANDLE                Status = 0x80090301
	SEC_E_NOT_SUPPORTED                 Status = 0x80090302
	SEC_E_UNSUPPORTED_FUNCTION          Status = 0x80090302
	SEC_E_TARGET_UNKNOWN                Status = 0x80090303
	SEC_E_INTERNAL_ERROR                Status = 0x80090304
	SEC_E_SECPKG_NOT_FOUND              Status = 0x80090305
	SEC_E_NOT_OWNER                     Status = 0x80090306
	SEC_E_CANNOT_INSTALL                Status = 0x80090307
	SEC_E_INVALID_TOKEN                 Status = 0x80090308
	SEC_E_CANNOT_PACK                   Status = 0x80090309
	SEC_E_QOP_NOT_SUPPORTED             Status = 0x8009030A
	SEC_E_NO_IMPERSONATION              Status = 0x8009030B
	SEC_E_LOGON_DENIED                  Status = 0x8009030C
	SEC_E_UNKNOWN_CREDENTIALS           Status = 0x8009030D
	SEC_E_NO_CREDENTIALS                Status = 0x8009030E
	SEC_E_MESSAGE_ALTERED               Status = 0x8009030F
	SEC_E_OUT_OF_SEQUENCE               Status = 0x80090310
	SEC_E_NO_AUTHENTICATING_AUTHORITY   Status = 0x80090311
	SEC_E_BAD_PKGID                     Status = 0x80090316
	SEC_E_CONTEXT_EXPIRED               Status = 0x80090317
	SEC_E_INCOMPLETE_MESSAGE            Status = 0x80090318
	SEC_E_INCOMPLETE_CREDENTIALS        Status = 0x80090320
	SEC_E_BUFFER_TOO_SMALL              Status = 0x80090321
	SEC_E_WRONG_PRINCIPAL               Status = 0x80090322
	SEC_E_TIME_SKEW                     Status = 0x80090324
	SEC_E_UNTRUSTED_ROOT                Status = 0x80090325
	SEC_E_ILLEGAL_MESSAGE               Status = 0x80090326
	SEC_E_CERT_UNKNOWN                  Status = 0x80090327
	SEC_E_CERT_EXPIRED                  Status = 0x80090328
	SEC_E_ENCRYPT_FAILURE               Status = 0x80090329
	SEC_E_DECRYPT_FAILURE               Status = 0x80090330
	SEC_E_ALGORITHM_MISMATCH            Status = 0x80090331
	SEC_E_SECURITY_QOS_FAILED           Status = 0x80090332
	SEC_E_UNFINISHED_CONTEXT_DELETED    Status = 0x80090333
	SEC_E_NO_TGT_REPLY                  Status = 0x80090334
	SEC_E_NO_IP_ADDRESSES               Status = 0x80090335
	SEC_E_WRONG_CREDENTIAL_HANDLE       Status = 0x80090336
	SEC_E_CRYPTO_SYSTEM_INVALID         Status = 0x80090337
	SEC_E_MAX_REFERRALS_EXCEEDED        Status = 0x80090338
	SEC_E_MUST_BE_KDC                   Status = 0x80090339
	SEC_E_STRONG_CRYPTO_NOT_SUPPORTED   Status = 0x8009033A
	SEC_E_TOO_MANY_PRINCIPALS           Status = 0x8009033B
	SEC_E_NO_PA_DATA                    Status = 0x8009033C
	SEC_E_PKINIT_NAME_MISMATCH          Status = 0x8009033D
	SEC_E_SMARTCARD_LOGON_REQUIRED      Status = 0x8009033E
	SEC_E_SHUTDOWN_IN_PROGRESS          Status = 0x8009033F
	SEC_E_KDC_INVALID_REQUEST           Status = 0x80090340
	SEC_E_KDC_UNABLE_TO_REFER           Status = 0x80090341
	SEC_E_KDC_UNKNOWN_ETYPE             Status = 0x80090342
	SEC_E_UNSUPPORTED_PREAUTH           Status = 0x80090343
	SEC_E_DELEGATION_REQUIRED           Status = 0x80090345
	SEC_E_BAD_BINDINGS                  Status = 0x80090346
	SEC_E_MULTIPLE_ACCOUNTS             Status = 0x80090347
	SEC_E_NO_KERB_KEY                   Status = 0x80090348
	SEC_E_CERT_WRONG_USAGE              Status = 0x80090349
	SEC_E_DOWNGRADE_DETECTED            Status = 0x80090350
	SEC_E_SMARTCARD_CERT_REVOKED        Status = 0x80090351
	SEC_E_ISSUING_CA_UNTRUSTED          Status = 0x80090352
	SEC_E_REVOCATION_OFFLINE_C          Status = 0x80090353
	SEC_E_PKINIT_CLIENT_FAILURE         Status = 0x80090354
	SEC_E_SMARTCARD_CERT_EXPIRED        Status = 0x80090355
	SEC_E_NO_S4U_PROT_SUPPORT           Status = 0x80090356
	SEC_E_CROSSREALM_DELEGATION_FAILURE Status = 0x80090357
	SEC_E_REVOCATION_OFFLINE_KDC        Status = 0x80090358
	SEC_E_ISSUING_CA_UNTRUSTED_KDC      Status = 0x80090359
	SEC_E_KDC_CERT_EXPIRED              Status = 0x8009035A
	SEC_E_KDC_CERT_REVOKED              Status = 0x8009035B
)

// statusTable is in the order of the numbers. Of two names for one number the preferred one comes first.
var statusTable = [...]statusInfo{
	{SEC_E_OK, "SEC_E_OK", "done without fault"},
	{SEC_I_CONTINUE_NEEDED, "SEC_I_CONTINUE_NEEDED", "send the token to the peer and come back with its answer"},
	{SEC_I_COMPLETE_NEEDED, "SEC_I_COMPLETE_NEEDED", "CompleteAuthToken decides on this message"},
	{SEC_I_COMPLETE_AND_CONTINUE, "SEC_I_COMPLETE_AND_CONTINUE", "CompleteAuthToken decides on this message, then the exchange goes on"},
	{SEC_I_LOCAL_LOGON, "SEC_I_LOCAL_LOGON", "the logon is done, but no network authority was asked"},
	{SEC_I_CONTEXT_EXPIRED, "SEC_I_CONTEXT_EXPIRED", "the peer has closed the context"},
	{SEC_I_INCOMPLETE_CREDENTIALS, "SEC_I_INCOMPLETE_CREDENTIALS", "the peer asks for credentials that were not given"},
	{SEC_I_RENEGOTIATE, "SEC_I_RENEGOTIATE", "the peer asks to negotiate anew"},
	{SEC_I_NO_LSA_CONTEXT, "SEC_I_NO_LSA_CONTEXT", "no context of the local security authority belongs to this one"},
	{SEC_E_INSUFFICIENT_MEMORY, "SEC_E_INSUFFICIENT_MEMORY", "there is not enough memory"},
	{SEC_E_INVALID_HANDLE, "SEC_E_INVALID_HANDLE", "the handle is unknown, deleted or not ready for this call"},
	{SEC_E_UNSUPPORTED_FUNCTION, "SEC_E_UNSUPPORTED_FUNCTION", "the function is not supported"},
	{SEC_E_NOT_SUPPORTED, "SEC_E_NOT_SUPPORTED", "the function is not supported"},
	{SEC_E_TARGET_UNKNOWN, "SEC_E_TARGET_UNKNOWN", "the target is unknown or cannot be reached"},
	{SEC_E_INTERNAL_ERROR, "SEC_E_INTERNAL_ERROR", "something broke inside the package"},
	{SEC_E_SECPKG_NOT_FOUND, "SEC_E_SECPKG_NOT_FOUND", "there is no such security package"},
	{SEC_E_NOT_OWNER, "SEC_E_NOT_OWNER", "the caller does not own the credentials"},
	{SEC_E_CANNOT_INSTALL, "SEC_E_CANNOT_INSTALL", "the security package cannot be installed"},
	{SEC_E_INVALID_TOKEN, "SEC_E_INVALID_TOKEN", "the token is malformed or not meant for this context"},
	{SEC_E_CANNOT_PACK, "SEC_E_CANNOT_PACK", "the token cannot be packed"},
	{SEC_E_QOP_NOT_SUPPORTED, "SEC_E_QOP_NOT_SUPPORTED", "the quality of protection is not on offer"},
	{SEC_E_NO_IMPERSONATION, "SEC_E_NO_IMPERSONATION", "the context cannot be used to impersonate"},
	{SEC_E_LOGON_DENIED, "SEC_E_LOGON_DENIED", "the logon is refused"},
	{SEC_E_UNKNOWN_CREDENTIALS, "SEC_E_UNKNOWN_CREDENTIALS", "the credentials are not of a kind that the package knows"},
	{SEC_E_NO_CREDENTIALS, "SEC_E_NO_CREDENTIALS", "there are no credentials"},
	{SEC_E_MESSAGE_ALTERED, "SEC_E_MESSAGE_ALTERED", "the message is not what its sender signed"},
	{SEC_E_OUT_OF_SEQUENCE, "SEC_E_OUT_OF_SEQUENCE", "the message is repeated, skipped ahead or too old"},
	{SEC_E_NO_AUTHENTICATING_AUTHORITY, "SEC_E_NO_AUTHENTICATING_AUTHORITY", "the accounts cannot be reached"},
	{SEC_E_BAD_PKGID, "SEC_E_BAD_PKGID", "the package identifier is wrong"},
	{SEC_E_CONTEXT_EXPIRED, "SEC_E_CONTEXT_EXPIRED", "the context has expired"},
	{SEC_E_INCOMPLETE_MESSAGE, "SEC_E_INCOMPLETE_MESSAGE", "the message is not complete yet"},
	{SEC_E_INCOMPLETE_CREDENTIALS, "SEC_E_INCOMPLETE_CREDENTIALS", "the credentials are not complete"},
	{SEC_E_BUFFER_TOO_SMALL, "SEC_E_BUFFER_TOO_SMALL", "a buffer is missing or too small"},
	{SEC_E_WRONG_PRINCIPAL, "SEC_E_WRONG_PRINCIPAL", "the peer is not the expected one"},
	{SEC_E_TIME_SKEW, "SEC_E_TIME_SKEW", "the clocks differ too much"},
	{SEC_E_UNTRUSTED_ROOT, "SEC_E_UNTRUSTED_ROOT", "the certificate ends at a root that is not trusted"},
	{SEC_E_ILLEGAL_MESSAGE, "SEC_E_ILLEGAL_MESSAGE", "the message was unexpected or malformed"},
	{SEC_E_CERT_UNKNOWN, "SEC_E_CERT_UNKNOWN", "the certificate could not be processed"},
	{SEC_E_CERT_EXPIRED, "SEC_E_CERT_EXPIRED", "the certificate has expired"},
	{SEC_E_ENCRYPT_FAILURE, "SEC_E_ENCRYPT_FAILURE", "encryption failed"},
	{SEC_E_DECRYPT_FAILURE, "SEC_E_DECRYPT_FAILURE", "decryption failed"},
	{SEC_E_ALGORITHM_MISMATCH, "SEC_E_ALGORITHM_MISMATCH", "the two sides have no algorithm in common"},
	{SEC_E_SECURITY_QOS_FAILED, "SEC_E_SECURITY_QOS_FAILED", "the requested protection cannot be given"},
	{SEC_E_UNFINISHED_CONTEXT_DELETED, "SEC_E_UNFINISHED_CONTEXT_DELETED", "the context was deleted before it was finished"},
	{SEC_E_NO_TGT_REPLY, "SEC_E_NO_TGT_REPLY", "a ticket-granting ticket was asked for and not sent"},
	{SEC_E_NO_IP_ADDRESSES, "SEC_E_NO_IP_ADDRESSES", "the machine has no network address"},
	{SEC_E_WRONG_CREDENTIAL_HANDLE, "SEC_E_WRONG_CREDENTIAL_HANDLE", "the credential handle does not belong to the context"},
	{SEC_E_CRYPTO_SYSTEM_INVALID, "SEC_E_CRYPTO_SYSTEM_INVALID", "the cipher or hash is unknown or disabled"},
	{SEC_E_MAX_REFERRALS_EXCEEDED, "SEC_E_MAX_REFERRALS_EXCEEDED", "too many referrals"},
	{SEC_E_MUST_BE_KDC, "SEC_E_MUST_BE_KDC", "the machine must be a key distribution centre"},
	{SEC_E_STRONG_CRYPTO_NOT_SUPPORTED, "SEC_E_STRONG_CRYPTO_NOT_SUPPORTED", "strong cryptography was asked for and is not there"},
	{SEC_E_TOO_MANY_PRINCIPALS, "SEC_E_TOO_MANY_PRINCIPALS", "too many principals were returned"},
	{SEC_E_NO_PA_DATA, "SEC_E_NO_PA_DATA", "data for the pre-authentication is missing"},
	{SEC_E_PKINIT_NAME_MISMATCH, "SEC_E_PKINIT_NAME_MISMATCH", "the name in the client certificate is another one"},
	{SEC_E_SMARTCARD_LOGON_REQUIRED, "SEC_E_SMARTCARD_LOGON_REQUIRED", "a logon with a smart card is required"},
	{SEC_E_SHUTDOWN_IN_PROGRESS, "SEC_E_SHUTDOWN_IN_PROGRESS", "the system is shutting down"},
	{SEC_E_KDC_INVALID_REQUEST, "SEC_E_KDC_INVALID_REQUEST", "the key distribution centre got an invalid request"},
	{SEC_E_KDC_UNABLE_TO_REFER, "SEC_E_KDC_UNABLE_TO_REFER", "the key distribution centre cannot refer to another one"},
	{SEC_E_KDC_UNKNOWN_ETYPE, "SEC_E_KDC_UNKNOWN_ETYPE", "the key distribution centre does not know the encryption type"},
	{SEC_E_UNSUPPORTED_PREAUTH, "SEC_E_UNSUPPORTED_PREAUTH", "the kind of pre-authentication is not supported"},
	{SEC_E_DELEGATION_REQUIRED, "SEC_E_DELEGATION_REQUIRED", "delegation is required"},
	{SEC_E_BAD_BINDINGS, "SEC_E_BAD_BINDINGS", "the channel bindings are those of another connection"},
	{SEC_E_MULTIPLE_ACCOUNTS, "SEC_E_MULTIPLE_ACCOUNTS", "more than one account answers to the name"},
	{SEC_E_NO_KERB_KEY, "SEC_E_NO_KERB_KEY", "the account has no Kerberos key"},
	{SEC_E_CERT_WRONG_USAGE, "SEC_E_CERT_WRONG_USAGE", "the certificate is not meant for this use"},
	{SEC_E_DOWNGRADE_DETECTED, "SEC_E_DOWNGRADE_DETECTED", "somebody tried to make the protection weaker"},
	{SEC_E_SMARTCARD_CERT_REVOKED, "SEC_E_SMARTCARD_CERT_REVOKED", "the certificate of the smart card was revoked"},
	{SEC_E_ISSUING_CA_UNTRUSTED, "SEC_E_ISSUING_CA_UNTRUSTED", "the issuer of the smart card certificate is not trusted"},
	{SEC_E_REVOCATION_OFFLINE_C, "SEC_E_REVOCATION_OFFLINE_C", "whether the smart card certificate was revoked cannot be found out"},
	{SEC_E_PKINIT_CLIENT_FAILURE, "SEC_E_PKINIT_CLIENT_FAILURE", "the certificate of the smart card is not trusted"},
	{SEC_E_SMARTCARD_CERT_EXPIRED, "SEC_E_SMARTCARD_CERT_EXPIRED", "the certificate of the smart card has expired"},
	{SEC_E_NO_S4U_PROT_SUPPORT, "SEC_E_NO_S4U_PROT_SUPPORT", "the domain controller cannot act for a user"},
	{SEC_E_CROSSREALM_DELEGATION_FAILURE, "SEC_E_CROSSREALM_DELEGATION_FAILURE", "delegation to another realm failed"},
	{SEC_E_REVOCATION_OFFLINE_KDC, "SEC_E_REVOCATION_OFFLINE_KDC", "whether the domain controller certificate was revoked cannot be found out"},
	{SEC_E_ISSUING_CA_UNTRUSTED_KDC, "SEC_E_ISSUING_CA_UNTRUSTED_KDC", "the issuer of the domain controller certificate is not trusted"},
	{SEC_E_KDC_CERT_EXPIRED, "SEC_E_KDC_CERT_EXPIRED", "the certificate of the domain controller has expired"},
	{SEC_E_KDC_CERT_REVOKED, "SEC_E_KDC_CERT_REVOKED", "the certificate of the domain controller was revoked"},
}
