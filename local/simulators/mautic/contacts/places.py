"""Country and state names that Mautic's lists know; anything else is refused with a 400."""

from __future__ import annotations

# The English names of Mautic's own list, which keeps some that ISO 3166 has dropped and misses a few.
COUNTRIES = frozenset(
    """
Afghanistan|Åland Islands|Albania|Algeria|Andorra|Angola|Anguilla|Antarctica|Antigua and Barbuda|Argentina|Armenia
Aruba|Australia|Austria|Azerbaijan|Bahamas|Bahrain|Bangladesh|Barbados|Belarus|Belgium|Belize|Benin|Bermuda|Bhutan
Bolivia|Bonaire, Saint Eustatius and Saba|Bosnia and Herzegovina|Botswana|Bouvet Island|Brazil|Brunei|Bulgaria
Burkina Faso|Burundi|Cape Verde|Cambodia|Cameroon|Canada|Cayman Islands|Central African Republic|Chad|Chile|China
Colombia|Comoros|Cook Islands|Costa Rica|Croatia|Cuba|Curaçao|Cyprus|Czech Republic|Denmark|Djibouti|Dominica
Dominican Republic|Democratic Republic of the Congo|East Timor|Ecuador|Egypt|El Salvador|Equatorial Guinea|Eritrea
Estonia|Ethiopia|Falkland Islands|Fiji|Finland|France|French Guiana|French Polynesia|Gabon|Gambia|Georgia|Germany
Ghana|Gibraltar|Greece|Greenland|Grenada|Guadeloupe|Guam|Guatemala|Guernsey|Guinea|Guinea Bissau|Guyana|Haiti
Heard Island and McDonald Islands|Holy See|Honduras|Hong Kong|Hungary|Iceland|India|Indonesia|Iran|Iraq|Ireland
Isle of Man|Israel|Italy|Ivory Coast|Jamaica|Japan|Jersey|Jordan|Kazakhstan|Kenya|Kiribati|Kosovo|Kuwait|Kyrgyzstan
Laos|Latvia|Lebanon|Lesotho
Liberia|Libya|Liechtenstein|Lithuania|Luxembourg|Macao|Macedonia|Madagascar|Malawi|Malaysia|Maldives|Mali|Malta
Marshall Islands|Martinique|Mauritania|Mauritius|Mayotte|Mexico|Micronesia|Moldova|Monaco|Mongolia|Montenegro
Montserrat|Morocco|Mozambique|Myanmar|Namibia|Nauru|Nepal|Netherlands|New Caledonia|New Zealand|Nicaragua|Niger
Nigeria|Niue|North Korea|Northern Mariana Islands|Norway|Oman|Pakistan|Palau|Palestine|Panama|Papua New Guinea
Paraguay|Peru|Philippines|Pitcairn|Poland|Portugal|Puerto Rico|Qatar|Republic of the Congo|Réunion|Romania|Russia
Rwanda|Saint Barthelemy|Saint Helena, Ascension and Tristan da Cunha|Saint Kitts and Nevis|Saint Lucia|Saint Martin
Saint Pierre and Miquelon|Saint Vincent and the Grenadines|Samoa|San Marino|Sao Tome and Principe|Saudi Arabia
Senegal|Serbia|Seychelles|Sierra Leone|Singapore|Slovakia|Slovenia|Solomon Islands|Somalia|South Africa
South Georgia and the South Sandwich Islands|South Korea|South Sudan|Spain|Sri Lanka|Svalbard and Jan Mayen|Sudan
Suriname|Eswatini|Sweden|Switzerland|Syria|Tahiti|Taiwan|Tajikistan|Tanzania|Thailand|Togo|Tokelau|Tonga
Trinidad and Tobago|Tunisia|Turkey|Turkmenistan|Turks and Caicos Islands|Tuvalu|United Kingdom|United States|Unknown
Uganda|Ukraine|United Arab Emirates|Uruguay|Uzbekistan|Vanuatu|Venezuela|Vietnam|Virgin Islands (British)
Virgin Islands (U.S.)|Wallis and Futuna|Western Sahara|Yemen|Yugoslavia|Zambia|Zimbabwe
""".strip()
    .replace("\n", "|")
    .split("|")
)

# A selection: the states of the countries our samples use. Names only, no abbreviations (recorded: 34_value_state_*).
STATES = frozenset(
    """
Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|Indiana
Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|Nebraska
Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|Oregon|Pennsylvania
Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West Virginia|Wisconsin
Wyoming|District of Columbia|American Samoa|Guam|Puerto Rico|Virgin Islands|Northern Mariana Islands|Armed Forces Europe
Armed Forces Americas|Armed Forces Pacific
Australian Capital Territory|Northern Territory|New South Wales|Queensland|South Australia|Tasmania|Victoria
Western Australia
Alberta|British Columbia|Manitoba|New Brunswick|Newfoundland and Labrador|Northwest Territories|Nova Scotia|Nunavut
Ontario|Prince Edward Island|Quebec|Saskatchewan|Yukon Territory
Île-de-France
Burgenland|Kärnten|Niederösterreich|Oberösterreich|Salzburg|Steiermark|Tirol|Vorarlberg|Wien
""".strip()
    .replace("\n", "|")
    .split("|")
)
