variable "project" {
  description = "Project that the buckets and identities are made in."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project is named by its id: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "location" {
  description = "Region or multi-region of the buckets; best that of the workers, or every read crosses an ocean."
  type        = string
  default     = "europe-west4"
  validation {
    condition     = can(regex("^([a-z]+-[a-z]+[0-9]+|eu|us|asia)$", lower(var.location)))
    error_message = "A location is a region, such as europe-west4, or one of eu, us, asia."
  }
}

variable "buckets" {
  description = "Names of the buckets for corpora, unique in the whole world; a spec's destinations lie below them."
  type        = set(string)
  validation {
    condition     = length(var.buckets) > 0 && alltrue([for name in var.buckets : can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", name))])
    error_message = "At least one bucket, each of 3 to 63 lower-case letters, digits, hyphens and underscores."
  }
}

variable "kept_days" {
  description = "Days for which an object that was removed or replaced can be restored (soft delete); 0 switches it off."
  type        = number
  default     = 7
  validation {
    condition     = var.kept_days == 0 || (var.kept_days >= 7 && var.kept_days <= 90 && floor(var.kept_days) == var.kept_days)
    error_message = "Google Cloud Storage takes 0, or whole days from 7 to 90."
  }
}

variable "versions" {
  description = "Whether older versions of objects are kept, for `kept_days` or at least a week, beside soft delete; they cost."
  type        = bool
  default     = false
}

variable "readers" {
  description = "Who else may read the corpora, as members of IAM policies: user:..., group:..., serviceAccount:... ."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for member in var.readers : can(regex("^(user|group|serviceAccount|domain|principal|principalSet):", member))])
    error_message = "A reader is user:, group:, serviceAccount:, domain:, principal: or principalSet:, followed by its name. The public is none."
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

variable "gke_project" {
  description = "Project of the GKE cluster whose pods get the identities; null: none does."
  type        = string
  default     = null
}

variable "issuers" {
  description = "OIDC issuers of other clusters whose pods get the identities, by a short name, such as {aks-eu = \"https://...\"}."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for name, issuer in var.issuers : can(regex("^[a-z][a-z0-9-]{2,30}[a-z0-9]$", name)) && startswith(issuer, "https://")])
    error_message = "A name has 4 to 32 lower-case letters, digits and hyphens, and an issuer begins with https://."
  }
}

variable "earthengine" {
  description = "Whether who writes may also ask Earth Engine, in this project, which has to be registered for it."
  type        = bool
  default     = true
}
