variable "subscription" {
  description = "Id of the subscription that everything is made in."
  type        = string
  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", lower(var.subscription)))
    error_message = "A subscription is named by its id, 8-4-4-4-12 hexadecimal digits."
  }
}

variable "resource_group" {
  description = "Resource group that is made for it."
  type        = string
  default     = "deepsentinel"
  validation {
    condition     = can(regex("^[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]$", var.resource_group))
    error_message = "A resource group has 1 to 90 letters, digits, and any of _().- but no full stop at its end."
  }
}

variable "location" {
  description = "Region; best that of the workers, or every read crosses an ocean."
  type        = string
  default     = "westeurope"
  validation {
    condition     = can(regex("^[a-z]+[a-z0-9]*$", var.location))
    error_message = "A location is a region's short name, such as westeurope."
  }
}

variable "account" {
  description = "Name of the storage account, unique in the whole world: DEEPSENTINEL_AZURE_ACCOUNT_NAME."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]{3,24}$", var.account))
    error_message = "A storage account is named by 3 to 24 lower-case letters and digits."
  }
}

variable "replication" {
  description = "How often Azure keeps every object: LRS, ZRS, GRS or GZRS."
  type        = string
  default     = "ZRS"
  validation {
    condition     = contains(["LRS", "ZRS", "GRS", "GZRS"], var.replication)
    error_message = "Replication is LRS, ZRS, GRS or GZRS."
  }
}

variable "containers" {
  description = "Names of the containers for corpora; a spec's destinations lie below them."
  type        = set(string)
  validation {
    condition     = length(var.containers) > 0 && alltrue([for name in var.containers : can(regex("^[a-z0-9](-?[a-z0-9]){2,62}$", name))])
    error_message = "At least one container, each of 3 to 63 lower-case letters, digits and single hyphens."
  }
}

variable "kept_days" {
  description = "Days for which an object or container that was removed or replaced can be restored (soft delete)."
  type        = number
  default     = 7
  validation {
    condition     = var.kept_days >= 1 && var.kept_days <= 365 && floor(var.kept_days) == var.kept_days
    error_message = "Azure Blob Storage takes whole days from 1 to 365."
  }
}

variable "versions" {
  description = "Whether older versions of objects are kept, for `kept_days`, beside soft delete; they cost."
  type        = bool
  default     = false
}

variable "keys" {
  description = "Whether the account's keys and tokens that are signed with them may be used, where a login is no choice."
  type        = bool
  default     = false
}

variable "addresses" {
  description = "Public IPv4 addresses or ranges that may reach the account; empty: all, with a login."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for range in var.addresses : can(cidrhost(strcontains(range, "/") ? range : "${range}/32", 0))])
    error_message = "An address is an IPv4 address or a range such as 192.0.2.0/24."
  }
}

variable "readers" {
  description = "Object ids of groups of Microsoft Entra that may read the corpora, too."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for id in var.readers : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", lower(id)))])
    error_message = "A group is named by its object id, 8-4-4-4-12 hexadecimal digits."
  }
}

variable "namespace" {
  description = "Kubernetes namespace of infra/kubernetes."
  type        = string
  default     = "deepsentinel"
  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "A namespace is 1 to 63 lower-case letters, digits and hyphens."
  }
}

variable "issuers" {
  description = "OIDC issuers of the clusters whose pods get the identities, by a short name, such as {aks-eu = \"https://...\"}; GKE's, too."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for name, issuer in var.issuers : can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", name)) && startswith(issuer, "https://")])
    error_message = "A name has 3 to 32 lower-case letters, digits and hyphens, and an issuer begins with https://."
  }
}
